import t from 'tap'
import { CONTACT, idOf, startStack } from '../helpers/stack.js'
import { assertProblem, storesNothing } from './refusal.js'

const stack = await startStack(t)
const WAYS = ['/sync/contact', '/async/contact']
const FIELDS = { name: 'Ada', email: 'ada@example.org', message: 'Good morning', consent: 'on' }

/** Sends bytes as they are. */
const send = (way: string, type: string | undefined, body: string | Uint8Array, more: Record<string, string> = {}) =>
  fetch(stack.gateway.url + way, {
    method: 'POST',
    headers: { ...(type && { 'content-type': type }), ...more },
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body
  })

const sendJson = (way: string, body: string | Uint8Array) => send(way, 'application/json', body)
const sendForm = (way: string, body: string) => send(way, 'application/x-www-form-urlencoded', body)

/** The contact form's JSON with one value replaced, written out so that it may hold what no JavaScript value can. */
const written = (field: string, json: string) =>
  `{${Object.entries({ ...CONTACT, [field]: undefined })
    .filter(([name]) => name !== field)
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join()},"${field}":${json}}`

t.test('what these tests start from is accepted', async (t) => {
  for (const way of WAYS) {
    const status = way.startsWith('/sync') ? 201 : 202
    t.equal((await sendJson(way, JSON.stringify(CONTACT))).status, status)
    t.equal((await sendJson(way, written('age', '7'))).status, status)
    t.equal((await sendForm(way, new URLSearchParams(FIELDS).toString())).status, status)
  }
})

t.test('wrong types, and missing and unknown fields, are named by their pointers', async (t) => {
  const { name: _, ...nameless } = CONTACT
  const cases: [string, unknown, string[]][] = [
    ['a number for a text', { ...CONTACT, name: 3 }, ['/name']],
    ['null', { ...CONTACT, name: null }, ['/name']],
    ['a list for a text', { ...CONTACT, email: ['a@b.cc'] }, ['/email']],
    ['an object for a text', { ...CONTACT, message: { $gt: '' } }, ['/message']],
    ['a text for a number', { ...CONTACT, age: '7' }, ['/age']],
    ['a fraction for a whole number', { ...CONTACT, age: 7.5 }, ['/age']],
    ['a text for a box', { ...CONTACT, consent: 'true' }, ['/consent']],
    ['no consent', { ...CONTACT, consent: false }, ['/consent']],
    ['a missing field', nameless, ['/name']],
    ['an unknown field', { ...CONTACT, role: 'admin' }, ['/role']],
    ['fields of the row', { ...CONTACT, id: 'x', owner_id: 'y', state: 'z' }, ['/id', '/owner_id', '/state']],
    ['the page fields, in JSON', { ...CONTACT, website: 'x', idempotency_key: 'k' }, ['/website', '/idempotency_key']],
    ['over-long text', { ...CONTACT, name: 'a'.repeat(101) }, ['/name']],
    ['an address that is none', { ...CONTACT, email: 'ada@' }, ['/email']],
    ['an empty text', { ...CONTACT, message: '' }, ['/message']],
    ['NUL', { ...CONTACT, name: 'a\0b' }, ['/name']],
    ['NUL in a key', { ...CONTACT, 'a\0': 1 }, ['/a\0']],
    ['an empty object', {}, ['/name', '/email', '/message', '/consent']]
  ]
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const [name, body, pointers] of cases) {
        const { code, errors } = await assertProblem(t, await stack.post(way, body), 422, `${way} with ${name}`)
        t.equal(code, 'INVALID_BODY')
        t.strictSame(errors?.map(({ pointer }) => pointer).sort(), [...pointers].sort())
        for (const { detail } of errors ?? []) t.match(detail, /^(is|must|has)\b/, 'each says what is wrong')
      }
    }
  })
})

t.test('JSON that is none, or that no object is in', async (t) => {
  const broken = [
    '{',
    '[[',
    '{"a":1}{',
    '{a:1}',
    "{'a':1}",
    '{"a":1,}',
    '[NaN]',
    'undefined',
    '{"a":01}',
    '"\u0001"',
    '/**/'
  ]
  const unfit = ['[]', 'null', '1', '"text"', 'true', `[${JSON.stringify(CONTACT)}]`]
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const body of broken) {
        const { code } = await assertProblem(t, await sendJson(way, body), 400, `${way} with ${body}`)
        t.equal(code, 'BROKEN_JSON')
      }
      for (const body of unfit) await assertProblem(t, await sendJson(way, body), 422, `${way} with ${body}`)
      t.match(await assertProblem(t, await sendJson(way, ''), 400, 'an empty body'), { code: 'EMPTY_BODY' })
      await assertProblem(t, await send(way, undefined, ''), 422, 'neither type nor body')
    }
  })
})

t.test('numbers beyond JavaScript or beyond their bounds', async (t) => {
  await storesNothing(t, stack, async () => {
    for (const number of ['1e400', '-1e400', '9007199254740993', '151', '-1', '1.5', '1e-7', `1${'0'.repeat(400)}`]) {
      await assertProblem(t, await sendJson('/sync/contact', written('age', number)), 422, number)
    }
    for (const number of ['NaN', 'Infinity', '0x10', '+1', '.5', '1_0']) {
      await assertProblem(t, await sendJson('/sync/contact', written('age', number)), 400, number)
    }
    for (const number of ['1e400', 'NaN', '0x10', '١', '1,5', '151']) {
      const body = new URLSearchParams({ ...FIELDS, age: number }).toString()
      await assertProblem(t, await sendForm('/sync/contact', body), 422, `${number} in a form`)
    }
  })
  const id = await idOf(await sendJson('/sync/contact', written('age', '-0')))
  t.strictSame(await stack.sql("select data->>'age' as age from submissions where id = $1", [id]), [{ age: '0' }])
})

t.test('dates that no calendar has', async (t) => {
  const REPORT = { place: 'x', kind: 'light', urgency: 'low', seen_on: '2026-11-21', description: 'dark' }
  t.equal((await stack.post('/sync/damage-report', { ...REPORT, seen_on: '2024-02-29' })).status, 201)
  const odd = [
    '2023-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-11-31',
    '26-11-21',
    '2026-11-21T00:00:00Z',
    '２０２６-11-21',
    ' '
  ]
  await storesNothing(t, stack, async () => {
    for (const seen_on of odd) {
      await assertProblem(t, await stack.post('/sync/damage-report', { ...REPORT, seen_on }), 422, seen_on)
    }
  })
})

t.test('deep and huge JSON', async (t) => {
  const deep = (open: string, close: string) => `${open.repeat(10_000)}1${close.repeat(10_000)}`
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      await assertProblem(t, await sendJson(way, deep('[', ']')), 422, '10,000 lists')
      await assertProblem(t, await sendJson(way, deep('{"a":', '}')), 422, '10,000 objects')
      await assertProblem(t, await sendJson(way, written('age', deep('[', ']'))), 422, '10,000 lists in a field')
      await assertProblem(t, await sendJson(way, written('name', deep('{"a":', '}'))), 422, '10,000 objects in a field')
      const many = JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`f${i}`, i])))
      const { errors } = await assertProblem(t, await sendJson(way, many), 422, '5,000 unknown fields')
      t.ok((errors?.length ?? 0) <= 100, 'the answer stays short')
      const long = await assertProblem(t, await sendJson(way, `{"${'n'.repeat(60_000)}":1}`), 422, 'a huge name')
      t.ok(JSON.stringify(long).length < 5_000, 'the answer stays short')
      const big = JSON.stringify({ ...CONTACT, message: 'm'.repeat(70_000) })
      t.match(await assertProblem(t, await sendJson(way, big), 413, '70 kB'), { code: 'BODY_TOO_LARGE' })
      await assertProblem(t, await sendJson(way, ' '.repeat(70_000)), 413, '70 kB of nothing')
    }
  })
})

t.test('keys of the prototype', async (t) => {
  const poisoned = [
    written('__proto__', '{"consent":true}'),
    written('constructor', '{"prototype":{"x":1}}'),
    '{"name":{"__proto__":null}}',
    '{"\\u005f_proto__":{"x":1}}'
  ]
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const body of poisoned) await assertProblem(t, await sendJson(way, body), 400, body)
      await assertProblem(t, await sendJson(way, written('constructor', '1')), 422, 'a plain constructor')
      for (const name of ['__proto__', 'constructor', 'constructor.prototype', 'constructor[prototype]', 'toString']) {
        const body = `${new URLSearchParams(FIELDS)}&${encodeURIComponent(name)}=x`
        const { errors } = await assertProblem(t, await sendForm(way, body), 422, `${name} in a form`)
        t.strictSame(
          errors?.map(({ pointer }) => pointer),
          [`/${name}`]
        )
      }
    }
  })
})

t.test('text that is not UTF-8, or half a character', async (t) => {
  const latin1 = Buffer.from(JSON.stringify({ ...CONTACT, name: 'Ädä' }), 'latin1')
  const utf16 = Buffer.from(JSON.stringify(CONTACT), 'utf16le')
  const surrogate = JSON.stringify({ ...CONTACT, name: '\ud800' })
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      t.match(await assertProblem(t, await sendJson(way, latin1), 400, 'Latin-1'), { code: 'BAD_ENCODING' })
      await assertProblem(t, await sendJson(way, utf16), 400, 'UTF-16')
      await assertProblem(t, await sendJson(way, surrogate), 422, 'half of a surrogate pair')
      const form = 'application/x-www-form-urlencoded'
      for (const name of ['%zz', '%', '100%', '%e4', '%ff', '%c3', '%ED%A0%80', '%f4%90%80%80', '%c0%80', '%u00e4']) {
        const body = `name=${name}&email=a@b.cc&message=m&consent=on`
        t.match(await assertProblem(t, await sendForm(way, body), 400, `${name} in a form`), { code: 'BAD_ENCODING' })
      }
      await assertProblem(t, await send(way, form, Buffer.from('name=Ädä&consent=on', 'latin1')), 400, 'a Latin-1 form')
      await assertProblem(t, await sendForm(way, `${new URLSearchParams(FIELDS)}&name=%00`), 422, 'NUL in a form')
    }
  })
  const id = await idOf(await sendForm('/sync/contact', 'name=Ädä%20%EF%BF%BD&email=a@b.cc&message=m&consent=on'))
  const rows = await stack.sql("select data->>'name' as name from submissions where id = $1", [id])
  t.strictSame(rows, [{ name: 'Ädä \ufffd' }], 'raw UTF-8, as curl sends it, is kept')
})

t.test('form fields that come twice, come to hundreds, or are nothing', async (t) => {
  const right = new URLSearchParams(FIELDS).toString()
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      const { errors } = await assertProblem(
        t,
        await sendForm(way, `${right}&name=Eve`),
        422,
        'a name that comes twice'
      )
      t.match(errors, [{ pointer: '/name' }])
      const many = Array.from({ length: 1_000 }, (_, i) => `f${i}=x`).join('&')
      await assertProblem(t, await sendForm(way, `${right}&${many}`), 422, '1,000 more fields')
      // a limit on fields must not cut off the one that is wrong
      await assertProblem(
        t,
        await sendForm(way, `${'&'.repeat(2_000)}${right}&evil=x`),
        422,
        'a field after 2,000 empty ones'
      )
      await assertProblem(t, await sendForm(way, Array(2_000).fill('name=x').join('&')), 422, 'a name 2,000 times')
      for (const body of ['', '&', '=', '&&&', '=x', 'a&b&c', '[]', '{}', 'name', 'name[]=x', 'name.x=y']) {
        await assertProblem(t, await sendForm(way, body), 422, `the form ${body}`)
      }
      await assertProblem(t, await sendForm(way, `name=${'a'.repeat(70_000)}`), 413, '70 kB in a form')
    }
  })
})

t.test('D21 content types that were not offered are 415, odd spellings of the offered ones are not', async (t) => {
  const refused = [
    'text/plain',
    'text/json',
    'text/html',
    'text/xml',
    'application/xml',
    'application/octet-stream',
    'application/jsonx',
    'application/ld+json',
    'application/problem+json',
    'application/vnd.api+json',
    'application/json, text/plain',
    'application/json/x',
    'application/json%00',
    'application',
    'application/',
    'json',
    '/json',
    '*/*',
    ';charset=utf-8',
    'multipart/form-data',
    'multipart/form-data; boundary=x',
    'multipart/mixed; boundary=application/json',
    'application/x-www-form-urlencodedx',
    'image/png'
  ]
  const body = JSON.stringify(CONTACT)
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const type of refused) {
        const { detail } = await assertProblem(t, await send(way, type, body), 415, `${way} with ${type}`)
        t.match(detail, 'application/json or application/x-www-form-urlencoded', 'it says what is offered')
      }
      await assertProblem(t, await send(way, undefined, new Uint8Array([1])), 415, 'a body without a type')
      for (const encoding of ['gzip', 'br', 'deflate', 'identity, gzip', 'x']) {
        const answer = await send(way, 'application/json', body, { 'content-encoding': encoding })
        t.match(await assertProblem(t, answer, 415, encoding), { code: 'UNSUPPORTED_ENCODING' })
      }
    }
  })
  for (const type of ['Application/JSON', 'application/json; charset=utf-8', 'application/json;charset="utf-8"']) {
    t.equal((await send('/sync/contact', type, body)).status, 201, type)
  }
  for (const type of ['APPLICATION/X-WWW-FORM-URLENCODED', 'application/x-www-form-urlencoded;charset=UTF-8']) {
    t.equal((await send('/sync/contact', type, new URLSearchParams(FIELDS).toString())).status, 201, type)
  }
})

t.test('a multipart form is refused as a whole', async (t) => {
  const data = new FormData()
  for (const [name, value] of Object.entries(FIELDS)) data.set(name, value)
  data.set('file', new Blob(['x']), 'x.txt')
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      await assertProblem(t, await fetch(stack.gateway.url + way, { method: 'POST', body: data }), 415, 'multipart')
    }
  })
})

import t from 'tap'
import { CONTACT, startStack } from '../helpers/stack.js'
import { assertProblem, storesNothing } from './refusal.js'
import { createSend, FIELDS, FORM_TYPE, JSON_TYPE, WAYS, written } from './send.js'

const stack = await startStack(t)
const send = createSend(stack)
const sendJson = (way: string, body: string | Uint8Array) => send(way, JSON_TYPE, body)
const sendForm = (way: string, body: string | Uint8Array) => send(way, FORM_TYPE, body)

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
      for (const type of [undefined, JSON_TYPE]) {
        t.match(await assertProblem(t, await send(way, type, ''), 422, `no body, ${type}`), {
          code: 'INVALID_BODY',
          detail: /^the body is missing: send application\/json or /,
          errors: [{ pointer: '', detail: 'must be an object' }]
        })
      }
      t.match(await assertProblem(t, await sendJson(way, 'null'), 422, 'null'), { detail: /^the body does not fit/ })
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

t.test('no body, and deep JSON, under an Idempotency-Key', async (t) => {
  const deep = (open: string, close: string) => `${open.repeat(5_000)}1${close.repeat(5_000)}`
  const key = { 'idempotency-key': 'deep' }
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const body of [deep('[', ']'), deep('{"a":', '}'), written('age', deep('[', ']'))]) {
        await assertProblem(t, await send(way, JSON_TYPE, body, key), 422, body.slice(0, 9))
      }
      for (const type of [undefined, JSON_TYPE]) await assertProblem(t, await send(way, type, '', key), 422, 'no body')
    }
  })
})

t.test('keys of the prototype', async (t) => {
  const deep = `${'['.repeat(10_000)}{"__proto__":1}${']'.repeat(10_000)}`
  const poisoned: [body: string, pointer: string][] = [
    [written('__proto__', '{"consent":true}'), '/__proto__'],
    [written('constructor', '{"prototype":{"x":1}}'), '/constructor/prototype'],
    ['{"name":{"__proto__":null}}', '/name/__proto__'],
    ['[1,{"a/b":{"__proto__":null}}]', '/1/a~1b/__proto__'],
    ['{"\\u005f_proto__":{"x":1}}', '/__proto__'],
    [deep, '/0'.repeat(500)]
  ]
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const [body, pointer] of poisoned) {
        t.match(await assertProblem(t, await sendJson(way, body), 422, body.slice(0, 100)), {
          code: 'INVALID_BODY',
          detail: 'the body has a field of a name that is never accepted; see errors',
          errors: [{ pointer, detail: 'is never accepted as a name' }]
        })
      }
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

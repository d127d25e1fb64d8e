import t from 'tap'
import { CONTACT, idOf, startStack } from '../helpers/stack.js'
import { assertProblem, storesNothing } from './refusal.js'
import { createSend, FIELDS, FORM_TYPE, JSON_TYPE, WAYS, written } from './send.js'

const stack = await startStack(t)
const send = createSend(stack)
const sendJson = (way: string, body: string | Uint8Array) => send(way, JSON_TYPE, body)
const sendForm = (way: string, body: string | Uint8Array) => send(way, FORM_TYPE, body)

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

t.test('a text of spaces alone says nothing', async (t) => {
  await storesNothing(t, stack, async () => {
    for (const name of ['', ' ', ' \t\r\n ', '\u00a0', '\u3000\u2003', '\ufeff']) {
      const errors = [{ pointer: '/name', detail: name ? 'must not be blank' : 'is required' }]
      const json = await sendJson('/sync/contact', written('name', JSON.stringify(name)))
      t.match(await assertProblem(t, json, 422, `'${name}'`), { errors })
      const form = await sendForm('/async/contact', new URLSearchParams({ ...FIELDS, name }).toString())
      t.match(await assertProblem(t, form, 422, `'${name}' in a form`), { errors })
    }
  })
  t.equal((await sendJson('/sync/contact', written('name', '"\u3000b"'))).status, 201)
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
      for (const name of ['%zz', '%', '100%', '%e4', '%ff', '%c3', '%ED%A0%80', '%f4%90%80%80', '%c0%80', '%u00e4']) {
        const body = `name=${name}&email=a@b.cc&message=m&consent=on`
        t.match(await assertProblem(t, await sendForm(way, body), 400, `${name} in a form`), { code: 'BAD_ENCODING' })
      }
      await assertProblem(
        t,
        await send(way, FORM_TYPE, Buffer.from('name=Ädä&consent=on', 'latin1')),
        400,
        'a Latin-1 form'
      )
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

t.test('the longest text that a form accepts is not too large as a body, however it is written', async (t) => {
  const report = { place: '🐝'.repeat(200), kind: 'light', urgency: 'low', seen_on: '2026-11-21' }
  const body = { ...report, description: '🐝'.repeat(10_000) }
  const escaped = JSON.stringify(body).replace(/[\ud800-\udfff]/g, (half) => `\\u${half.charCodeAt(0).toString(16)}`)
  const ids = [
    await idOf(await sendJson('/sync/damage-report', escaped)),
    await idOf(await sendForm('/sync/damage-report', new URLSearchParams(body).toString()))
  ]
  const rows = await stack.sql<{ data: unknown }>('select data from submissions where id = any($1)', [ids])
  t.strictSame(
    rows.map(({ data }) => data),
    [body, body]
  )
  const longer = { ...body, description: `${body.description}🐝` }
  await assertProblem(t, await sendForm('/sync/damage-report', new URLSearchParams(longer).toString()), 422, 'one more')
})

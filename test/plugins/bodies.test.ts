import t, { type Test } from 'tap'
import bodies from '#plugins/bodies'
import { createApp } from '../helpers/app.js'

/** An app that answers what it understood, and how it was refused. */
async function createEcho(t: Test) {
  const app = createApp(t)
  await app.register(bodies)
  app.post('/', async ({ body }) => ({ body }))
  return (type: string, payload: string | Buffer, headers = {}) =>
    app.inject({ method: 'POST', url: '/', payload, headers: { 'content-type': type, ...headers } })
}

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

t.test('B20 it reads JSON and form fields, and nothing else', async (t) => {
  const echo = await createEcho(t)
  t.strictSame((await echo(JSON_TYPE, '{"a":[1,"ä"]}')).json(), { body: { a: [1, 'ä'] } })
  t.strictSame((await echo(FORM_TYPE, 'a=1&b=x+y%20z&a=2&c=')).json(), { body: { a: ['1', '2'], b: 'x y z', c: '' } })
  for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/xml']) {
    t.equal((await echo(type, 'x')).statusCode, 415, type)
  }
})

t.test('an empty body of JSON is no body', async (t) => {
  const echo = await createEcho(t)
  t.strictSame((await echo(JSON_TYPE, '')).json(), {})
  t.equal((await echo(JSON_TYPE, ' ')).statusCode, 400, 'blanks are no JSON')
})

t.test('what is not UTF-8 is refused, and what only looks odd is not', async (t) => {
  const echo = await createEcho(t)
  for (const [type, payload] of [
    [JSON_TYPE, Buffer.from('"\xe4"', 'latin1')],
    [JSON_TYPE, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    [FORM_TYPE, Buffer.from('a=\xe4', 'latin1')],
    [FORM_TYPE, 'a=%E4'],
    [FORM_TYPE, 'a=%'],
    [FORM_TYPE, 'a=%1g'],
    [FORM_TYPE, '%ff=a']
  ] as const) {
    const answer = await echo(type, payload)
    t.equal(answer.statusCode, 400)
    t.equal(answer.json().code, 'BAD_ENCODING')
  }
  t.strictSame((await echo(FORM_TYPE, 'a=%EF%BF%BD&b=ä&c=%25')).json(), { body: { a: '\ufffd', b: 'ä', c: '%' } })
  t.strictSame(
    (await echo(JSON_TYPE, '"\ufffd \\ud800"')).statusCode,
    200,
    'half characters are for the schema to refuse'
  )
})

t.test('all fields are read, however many', async (t) => {
  const echo = await createEcho(t)
  const many = Array.from({ length: 3_000 }, (_, i) => `f${i}=${i}`).join('&')
  t.equal(Object.keys((await echo(FORM_TYPE, many)).json().body).length, 3_000)
})

t.test('a compressed body is refused, not read as if it were none', async (t) => {
  const echo = await createEcho(t)
  t.equal((await echo(JSON_TYPE, '{}', { 'content-encoding': 'gzip' })).json().code, 'UNSUPPORTED_ENCODING')
  t.equal((await echo(JSON_TYPE, '{}', { 'content-encoding': 'identity' })).statusCode, 200)
})

t.test('keys that reach for the prototype are refused in JSON, and plain fields in forms', async (t) => {
  const echo = await createEcho(t)
  t.equal((await echo(JSON_TYPE, '{"__proto__":{"x":1}}')).statusCode, 422)
  t.equal((await echo(JSON_TYPE, '{"constructor":{"prototype":{"x":1}}}')).statusCode, 422)
  t.equal((await echo(JSON_TYPE, '\ufeff{"__proto__":{"x":1}}')).statusCode, 422, 'behind a byte order mark')
  t.equal((await echo(JSON_TYPE, '{"__proto__":{"x":1}')).statusCode, 400, 'broken JSON is told as such')
  t.match((await echo(FORM_TYPE, '__proto__=x&constructor=y')).body, '"__proto__":"x","constructor":"y"')
  t.notOk('x' in {})
})

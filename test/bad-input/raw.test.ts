import t from 'tap'
import { sendRaw } from '../helpers/raw-request.js'
import { CONTACT, startStack } from '../helpers/stack.js'
import { storesNothing } from './refusal.js'

const stack = await startStack(t, { REQUEST_TIMEOUT_MS: '500', KEEP_ALIVE_MS: '500' })
const { url } = stack.gateway
const BODY = JSON.stringify(CONTACT)

const head = (lines: string[] = [], first = 'POST /sync/contact HTTP/1.1') =>
  [first, 'Host: beeline', 'Content-Type: application/json', ...lines, '', ''].join('\r\n')

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])

/** Lines of the log that say that something here went wrong. */
const troubles = () => stack.gateway.lines.filter((line) => /"level":[56]0/.test(line))

t.test('bytes that are not HTTP get a problem, and the connection is closed', async (t) => {
  const garbage: [string, string | Uint8Array][] = [
    ['words', 'good morning\r\n\r\n'],
    ['TLS', Uint8Array.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])],
    ['zeros', new Uint8Array(1_000)],
    ['another version', head([], 'GET /healthz HTTP/9.9')],
    ['a method that is none', head([], 'GRAB /healthz HTTP/1.1')],
    ['a space in a header name', head(['Bad Name: x'])],
    ['NUL in a header', head(['X: a\0b'])],
    ['a header without colon', head(['just words'])],
    ['a folded header', head(['X: a', ' b'])],
    ['two lengths', head(['Content-Length: 3', 'Content-Length: 4'])],
    ['a length that is none', head(['Content-Length: -1'])],
    ['a length in hex', head(['Content-Length: 0x10'])],
    ['length and chunks', head(['Content-Length: 3', 'Transfer-Encoding: chunked'])],
    ['a coding that is unknown', head(['Transfer-Encoding: cow'])],
    ['a chunk size that is none', `${head(['Transfer-Encoding: chunked'])}zz\r\n{}\r\n0\r\n\r\n`]
  ]
  await storesNothing(t, stack, async () => {
    for (const [name, bytes] of garbage) {
      const answer = await sendRaw(url, [bytes])
      t.equal(statusOf(answer), 400, `${name}: ${answer.slice(0, 30)}`)
      t.match(answer, /content-type: application\/problem\+json.*nosniff.*"code":"[A-Z_]+"/is, name)
      t.notMatch(answer, /HPE_|\.js:/, name)
    }
    const hostless = await sendRaw(url, ['GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'])
    t.equal(statusOf(hostless), 400, 'no Host (RFC 9112 §3.2)')
  })
})

t.test('an Expect that is none gets a problem, and the connection serves on; 100-continue is met', async (t) => {
  await storesNothing(t, stack, async () => {
    const odd = head(['Expect: a miracle', 'Content-Length: 0'])
    const next = 'GET /healthz HTTP/1.1\r\nHost: beeline\r\nConnection: close\r\n\r\n'
    const answer = await sendRaw(url, [odd, next], { pause: 100 })
    t.equal(statusOf(answer), 417)
    t.match(answer, /content-type: application\/problem\+json.*nosniff.*"code":"EXPECTATION_FAILED".*HTTP\/1\.1 200/is)
  })
  const willing = head(['Expect: 100-continue', `Content-Length: ${BODY.length}`, 'Connection: close'])
  t.match(await sendRaw(url, [willing, BODY], { pause: 100 }), /^HTTP\/1\.1 100 .*HTTP\/1\.1 201/s)
})

t.test('a length that is wrong', async (t) => {
  await storesNothing(t, stack, async () => {
    const short = await sendRaw(url, [`${head([`Content-Length: ${BODY.length - 10}`])}${BODY}`])
    t.equal(statusOf(short), 400, 'too short: the body is broken JSON, and its rest no request')
    const long = await sendRaw(url, [`${head([`Content-Length: ${BODY.length + 10}`])}${BODY}`], { end: true })
    t.notMatch(long, /HTTP\/1.1 (2|5)/, 'too long')
    const huge = await sendRaw(url, [head(['Content-Length: 99999999999', 'Connection: close'])])
    t.equal(statusOf(huge), 413, 'too large is refused before the body comes')
  })
  const exact = await sendRaw(url, [`${head([`Content-Length: ${BODY.length}`, 'Connection: close'])}${BODY}`])
  t.equal(statusOf(exact), 201)
})

t.test('a request that breaks off stores nothing, and is no fault of ours', async (t) => {
  const pieces = [
    'PO',
    'POST /sync/contact HTTP/1.1\r\nHost',
    head(['Content-Length: 100']),
    `${head(['Content-Length: 100'])}{"na`,
    `${head(['Transfer-Encoding: chunked'])}5\r\n{"na`
  ]
  await storesNothing(t, stack, async () => {
    const answers = await Promise.all(pieces.map((piece) => sendRaw(url, [piece], { end: true })))
    for (const answer of answers) t.notMatch(answer, /HTTP\/1.1 (2|5)/)
  })
  t.strictSame(troubles(), [], 'the log holds no error')
})

t.test('a request that takes too long to arrive is 408', async (t) => {
  await storesNothing(t, stack, async () => {
    const starts = [
      head(['Content-Length: 100']),
      'POST /sync/contact HTTP/1.1\r\n',
      `${head(['Content-Length: 100'])}{"na`
    ]
    for (const answer of await Promise.all(starts.map((start) => sendRaw(url, [start])))) {
      t.equal(statusOf(answer), 408)
      t.match(answer, '"code":"REQUEST_TIMEOUT"')
    }
    const drops = Array.from({ length: 30 }, () => ' ')
    const dripped = await sendRaw(url, [head(['Content-Length: 100']), ...drops], { pause: 100 })
    t.equal(statusOf(dripped), 408, 'a body that comes drop by drop')
  })
  t.strictSame(troubles(), [], 'the log holds no error')
})

t.test('requests that come in pieces or in a row are answered in order', async (t) => {
  const request = `${head([`Content-Length: ${BODY.length}`])}${BODY}`
  const slowly = await sendRaw(url, [request.slice(0, 20), request.slice(20, 150), request.slice(150)], { pause: 50 })
  t.equal(statusOf(slowly), 201)
  const row = await sendRaw(url, [request + request.replace('"Ada"', '12345') + request])
  t.strictSame(row.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 201', 'HTTP/1.1 422', 'HTTP/1.1 201'])
})

t.test('the gateway is well after all that', async (t) => {
  t.equal((await stack.get('/readyz')).status, 200)
  t.equal((await stack.post('/async/contact', CONTACT)).status, 202)
})

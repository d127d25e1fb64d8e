import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { createNames, createOutside, startRawSite, startSite } from '../helpers/outside-app.js'

const LOOPBACK = '127.0.0.1'
const head = (lines: string[]) => `${['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')}`

t.test('E10 a call says who calls, carries no cookies, and answers what came', async (t) => {
  const site = await startSite(t, (_, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2']).setHeader('content-type', 'text/plain').end('hello')
  })
  const { request } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}`, userAgent: 'Beeline/9' })
  for (let i = 0; i < 2; i++) {
    const answer = await request(`${site.url}/path?q=1#part`, { headers: { accept: 'text/plain', 'user-agent': 'me' } })
    t.match(answer, { status: 200, headers: { 'content-type': 'text/plain' } })
    t.equal(answer.body.toString(), 'hello')
    t.equal(answer.url.href, `${site.url}/path?q=1`)
  }
  for (const { headers, url } of site.requests) {
    t.match(headers, { 'user-agent': 'Beeline/9', accept: 'text/plain' })
    t.equal(headers.cookie, undefined)
    t.equal(url, '/path?q=1')
  }
})

t.test('E10 other methods carry their body; they follow no redirect and are sent once', async (t) => {
  let body = ''
  const site = await startSite(t, (request, response) => {
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => response.writeHead(request.url === '/gone' ? 303 : 502, { location: '/' }).end())
  })
  const { request, fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
  t.match(await request(`${site.url}/gone`, { method: 'POST', body: 'abc' }), { status: 303 })
  t.equal(body, 'abc')
  t.match(await fail(site.url, { method: 'POST', body: 'abc' }), { code: 'UPSTREAM_FAILED', passing: true })
  t.equal(site.requests.length, 2)
})

t.test('redirects are followed three times, relative ones too', async (t) => {
  const site = await startSite(t, ({ url = '' }, response) => {
    const left = Number(url.slice(1))
    if (left) response.writeHead(302, { location: `./${left - 1}` })
    response.end(left ? 'x'.repeat(100_000) : 'here')
  })
  const { request, fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
  const answer = await request(`${site.url}/3`)
  t.equal(answer.body.toString(), 'here')
  t.equal(answer.url.href, `${site.url}/0`)
  t.match(await fail(`${site.url}/4`), { code: 'TOO_MANY_REDIRECTS', passing: false })
  t.match(await fail(`${site.url}/99`), { code: 'TOO_MANY_REDIRECTS' })
  const seen: string[] = []
  await request(`${site.url}/2`, { allow: async ({ pathname }) => void seen.push(pathname) })
  t.strictSame(seen, ['/2', '/1', '/0'], 'each address is shown before it is called')
  const before = site.requests.length
  const refusal = new Error('not this one')
  t.equal(
    await fail(`${site.url}/1`, {
      allow: async ({ pathname }) => (pathname === '/0' ? Promise.reject(refusal) : undefined)
    }),
    refusal
  )
  t.equal(site.requests.length, before + 1)
})

t.test('packed answers are unpacked', async (t) => {
  const text = 'Bees make honey. '.repeat(500)
  const packed: Record<string, [string, Buffer]> = {
    '/gzip': ['gzip', gzipSync(text)],
    '/GZIP': ['X-GZip', gzipSync(text)],
    '/deflate': ['deflate', deflateSync(text)],
    '/raw': ['deflate', deflateRawSync(text)],
    '/br': ['br', brotliCompressSync(text)],
    '/identity': ['identity', Buffer.from(text)],
    '/empty': ['gzip', Buffer.alloc(0)],
    '/unknown': ['zstd', Buffer.from(text)],
    '/twice': ['gzip, gzip', gzipSync(gzipSync(text))],
    '/broken': ['gzip', gzipSync(text).subarray(0, 40)],
    '/lie': ['gzip', Buffer.from(text)],
    '/odd': ['constructor', Buffer.from(text)]
  }
  const site = await startSite(t, ({ url = '' }, response) => {
    const [encoding, bytes] = packed[url] ?? ['', Buffer.alloc(0)]
    response.setHeader('content-encoding', encoding).end(bytes)
  })
  const { request, fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
  for (const path of ['/gzip', '/GZIP', '/deflate', '/raw', '/br', '/identity']) {
    t.equal((await request(site.url + path)).body.toString(), text, path)
  }
  t.equal((await request(`${site.url}/empty`)).body.length, 0)
  for (const path of ['/unknown', '/twice', '/odd'])
    t.match(await fail(site.url + path), { code: 'ENCODING_UNKNOWN' }, path)
  for (const path of ['/broken', '/lie'])
    t.match(await fail(site.url + path), { code: 'BROKEN_ANSWER', passing: true }, path)
})

t.test('what is too large ends early: on the wire, by its own word, unpacked, and without an end', async (t) => {
  const zeros = Buffer.alloc(100_000_000)
  const bombs = new Map([
    ['/gzip', ['gzip', gzipSync(zeros)] as const],
    ['/deflate', ['deflate', deflateSync(zeros)] as const],
    [
      '/br',
      [
        'br',
        brotliCompressSync(zeros.subarray(0, 10_000_000), { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })
      ] as const
    ]
  ])
  let sent = 0
  const site = await startSite(t, ({ url = '' }, response) => {
    const bomb = bombs.get(url)
    if (bomb) return void response.setHeader('content-encoding', bomb[0]).end(bomb[1])
    if (url === '/word') return void response.writeHead(200, { 'content-length': 3_000_000 }).write('x')
    const chunk = Buffer.alloc(65_536)
    const pour = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length
    }
    response.on('drain', pour)
    pour()
  })
  const { fail, request } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
  for (const path of ['/gzip', '/deflate', '/br', '/endless', '/word']) {
    const before = process.memoryUsage().rss
    t.match(await fail(site.url + path), { code: 'TOO_LARGE', passing: false }, path)
    t.ok(process.memoryUsage().rss - before < 60_000_000, `${path} takes little memory`)
  }
  t.ok(sent < 30_000_000, `${sent} bytes of an endless answer were sent`)
  const cut = await request(`${site.url}/endless`, { cut: true, maxBytes: 1_000 })
  t.equal(cut.body.length, 1_000)
  t.equal((await request(`${site.url}/gzip`, { cut: true, maxBytes: 1_000 })).body.length, 1_000)
})

t.test(
  'nobody can hold a call longer than its time: silent, slow, in its head, in its body, in its name',
  async (t) => {
    const silent = await startRawSite(t, () => {})
    const slowHead = await startRawSite(t, (socket) => trickle(socket, 'HTTP/1.1 200 OK\r\nx: y\r\n'))
    const slowBody = await startRawSite(t, (socket) => {
      socket.write(head(['content-type: text/html']))
      trickle(socket, 'x'.repeat(1_000))
    })
    const allow = [silent, slowHead, slowBody].map(({ port }) => `${LOOPBACK}:${port}`).join()
    const { fail } = await createOutside(t, { allow })
    for (const { url } of [silent, slowHead, slowBody]) {
      const start = performance.now()
      t.match(await fail(url, { timeoutMs: 300 }), { code: 'TIMED_OUT', passing: true })
      t.ok(performance.now() - start < 9_000, 'not the 10 s of the default')
    }
    const nameless = await createOutside(t, { resolve: () => new Promise(() => {}) })
    const start = performance.now()
    t.match(await nameless.fail('http://slow.test/', { timeoutMs: 300 }), { code: 'TIMED_OUT' })
    t.ok(performance.now() - start < 9_000, 'while it is not even connected')
  }
)

t.test('the signal ends a call at once, with its reason', async (t) => {
  const site = await startRawSite(t, () => {})
  const { fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
  const controller = new AbortController()
  const call = fail(site.url, { signal: controller.signal })
  await eventually(() => assert.equal(site.connections(), 1))
  const reason = new Error('cancelled')
  controller.abort(reason)
  t.equal(await call, reason)
  t.equal(await fail(site.url, { signal: controller.signal }), reason, 'nor is one begun after it')
  t.equal(site.connections(), 1)
})

t.test('rude servers: closed, reset, cut off, nonsense, endless headers, wrong lengths', async (t) => {
  const rude: Record<string, Parameters<typeof startRawSite>[1]> = {
    'closes without a word': (socket) => socket.destroy(),
    'resets in the body': (socket) => {
      socket.write(`${head(['content-length: 100'])}half`, () => socket.resetAndDestroy())
    },
    'ends in the head': (socket) => socket.end('HTTP/1.1 200'),
    'speaks no HTTP': (socket) => socket.end('SSH-2.0-OpenSSH_9.2p1\r\n'),
    'sends endless headers': (socket) => socket.write(head([`x: ${'y'.repeat(100_000)}`])),
    'promises more than it sends': (socket) => socket.end(`${head(['content-length: 100'])}short`),
    'contradicts itself': (socket) => socket.end(`${head(['content-length: 5', 'content-length: 6'])}hello`)
  }
  for (const [manner, answer] of Object.entries(rude)) {
    const site = await startRawSite(t, answer)
    const { fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
    const { code, passing, message } = await fail(site.url, { retries: 0, timeoutMs: 3_000 })
    t.match(code, /^(CONNECTION_FAILED|BROKEN_ANSWER)$/, manner)
    t.equal(passing, true, manner)
    t.notMatch(message, /SSH|short|yyy/, 'what it said is not told')
  }
  const long = await startRawSite(t, (socket) => socket.end(`${head(['content-length: 5'])}hello and more`))
  const { request } = await createOutside(t, { allow: `${LOOPBACK}:${long.port}` })
  t.equal((await request(long.url)).body.toString(), 'hello')
})

t.test('statuses: below 500 is an answer, busy and broken are passing faults', async (t) => {
  const site = await startSite(t, ({ url = '' }, response) => {
    response.writeHead(Number(url.slice(1)), { 'retry-after': '7' }).end('body')
  })
  const { request, fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}`, breaker: { failures: 100 } })
  for (const status of [200, 204, 400, 401, 404, 410, 418, 304]) {
    const answer = await request(`${site.url}/${status}`)
    t.equal(answer.status, status)
    t.equal(answer.body.toString(), status === 200 ? 'body' : '', `${status}: only a success has a body`)
  }
  for (const status of [408, 425, 429])
    t.match(await fail(`${site.url}/${status}`), { code: 'UPSTREAM_BUSY', passing: true, retryInMs: 7_000 })
  for (const status of [500, 501, 502, 503, 504, 599])
    t.match(await fail(`${site.url}/${status}`, { timeoutMs: 1_000 }), {
      code: 'UPSTREAM_FAILED',
      passing: true,
      retryInMs: 7_000
    })
})

t.test('what looks at the head may refuse the body', async (t) => {
  const site = await startRawSite(t, (socket) => socket.write(head(['content-type: video/mp4'])))
  const { fail } = await createOutside(t, { allow: `${LOOPBACK}:${site.port}` })
  const refusal = new Error('no video')
  const inspect = ({ headers }: { headers: Record<string, string> }) => {
    if (headers['content-type'] === 'video/mp4') throw refusal
  }
  t.equal(await fail(site.url, { inspect }), refusal)
  t.equal(site.connections(), 1, 'a refusal is not tried again')
})

t.test('the allow list opens exactly what it names', async (t) => {
  const site = await startSite(t, (_, response) => response.end('inside'))
  const other = await startSite(t, (_, response) => response.end('other'))
  const { port } = site
  const { resolve } = createNames({ 'intranet.test': [[LOOPBACK]], 'other.test': [[LOOPBACK]] })
  const create = (allow: string) => createOutside(t, { allow, resolve })
  const opens = async (allow: string, url: string) => {
    const { request } = await create(allow)
    return (await request(url)).body.toString()
  }
  t.equal(await opens(`intranet.test:${port}`, `http://intranet.test:${port}/`), 'inside')
  t.equal(await opens(` Intranet.TEST:${port} , 10.0.0.0/8`, `http://INTRANET.test.:${port}/`), 'inside')
  t.equal(await opens(`127.0.0.0/8:${port}`, `http://127.1:${port}/`), 'inside')
  t.equal(await opens(`127.0.0.0/8:${port}`, `http://other.test:${port}/`), 'inside', 'a network holds for names in it')
  const named = await create(`intranet.test:${port}`)
  for (const url of [
    `http://other.test:${port}/`,
    `http://127.0.0.1:${port}/`,
    `http://intranet.test:${other.port}/`,
    'http://intranet.test/',
    `http://x.intranet.test:${port}/`
  ]) {
    t.match((await named.fail(url)).code, /ADDRESS_FORBIDDEN|HOST_NOT_FOUND/, url)
  }
  const plain = await create('127.0.0.0/8')
  t.match(
    await plain.fail(`http://127.0.0.1:${port}/`),
    { code: 'ADDRESS_FORBIDDEN' },
    'without a port: the usual ones'
  )
  await t.rejects(create('10.0.0.0/33'), { message: '10.0.0.0/33 is neither a host, an address nor a network' })
  t.equal(other.connections(), 0)
})

async function trickle(socket: { destroyed: boolean; write: (text: string) => unknown }, text: string) {
  for (const letter of text) {
    if (socket.destroyed) return
    socket.write(letter)
    await sleep(50)
  }
}

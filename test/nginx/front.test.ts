import assert from 'node:assert/strict'
import { request } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { KEY, startConsumer } from '../helpers/processes.js'
import { sendRaw } from '../helpers/raw-request.js'
import { CONTACT, clientOf, idOf, startStack } from '../helpers/stack.js'

t.setTimeout(200_000)

if (withoutNginx) t.plan(0, withoutNginx)
else {
  const stack = await startStack(t, { TRUST_PROXY: '127.0.0.1', LOG_LEVEL: 'info' })
  await startConsumer(t, stack.env)
  const nginx = await startNginx(t, { gateways: [stack.gateway.url] })
  const { get, post, postForm } = clientOf(() => nginx.url)

  /** Names of all headers of an answer, as they came. */
  const askFrom = (localAddress: string, path: string, headers = {}) =>
    new Promise<{ status: number; names: string[] }>((resolve, reject) => {
      const sent = request(nginx.url + path, { localAddress, headers })
      sent.on('error', reject)
      sent.on('response', (answer) => {
        const names = answer.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
        answer.resume().on('end', () => resolve({ status: answer.statusCode ?? 0, names }))
      })
      sent.end()
    })

  t.test("A10 C15 the gateway logs the client's address, not nginx's, and no forged one", async (t) => {
    const forged = {
      'x-forwarded-for': '198.51.100.7',
      'x-real-ip': '198.51.100.7',
      forwarded: 'for=198.51.100.7',
      'x-request-id': 'from-afar'
    }
    t.equal((await askFrom('127.0.0.5', '/sync/', forged)).status, 200)
    const line = await eventually(() => {
      const found = stack.gateway.lines.find((line) => line.includes('from-afar') && line.includes('"answered"'))
      assert.ok(found)
      return found
    })
    t.match(JSON.parse(line), { ip: '127.0.0.5', path: '/sync/', status: 200 })
  })

  t.test('A12 one access line for each request, with its id and the time of the gateway; errors apart', async (t) => {
    await get('/api/health?secret=canary', { 'x-request-id': 'health-1' })
    await get('/metrics', { 'x-request-id': 'metrics-1' })
    await post('/sync/contact', CONTACT, { 'x-request-id': 'post-1' })
    const lines = await eventually(async () => {
      const lines = await nginx.accesses()
      for (const id of ['health-1', 'metrics-1', 'post-1'])
        assert.equal(lines.filter(({ reqId }) => reqId === id).length, 1)
      return lines
    })
    const lineOf = (id: string) => lines.find(({ reqId }) => reqId === id) ?? {}
    t.match(lineOf('health-1'), { method: 'GET', path: '/api/health', status: 200, upstream_s: /^\d/, ip: '127.0.0.1' })
    t.match(lineOf('post-1'), { method: 'POST', path: '/sync/contact', status: 201, upstream_s: /^\d/ })
    t.match(lineOf('metrics-1'), { status: 404, upstream_s: '' })
    t.notMatch(JSON.stringify(lines), 'canary', 'no query')
    t.ok(nginx.errors.length > 0, 'errors have a log of their own')
    t.notMatch(nginx.errors.join('\n'), /"reqId"/)
    const made = (await get('/api/health')).headers.get('x-request-id')
    t.match(made, /^[0-9a-f]{32}$/, 'an id is made where there is none')
    await eventually(() => assert.ok(stack.gateway.lines.some((line) => line.includes(`"reqId":"${made}"`))))
    t.not(
      (await get('/api/health', { 'x-request-id': 'no spaces please' })).headers.get('x-request-id'),
      'no spaces please'
    )
  })

  t.test('A11 C11 every answer has each header of protection once, a character set, and no version', async (t) => {
    const answers: Record<string, Response> = {
      page: await get('/sync/', { accept: 'text/html' }),
      home: await get('/', { accept: 'text/html' }),
      'home again': await get('/', { accept: 'text/html' }),
      api: await get('/api/health'),
      description: await get('/openapi.json'),
      refused: await post('/sync/contact', {}),
      'not there': await get('/nowhere'),
      'no key': await get('/api/jobs'),
      'not for outside': await get('/metrics'),
      'not an address': await get('/%zz'),
      'long address': await get(`/${'x'.repeat(9_000)}`),
      'long header': await get('/', { 'x-long': 'x'.repeat(9_000) }),
      'large for a form': await post('/sync/contact', { ...CONTACT, message: 'm'.repeat(100_000) }),
      'large for all': await postForm('/sync/contact', 'x'.repeat(17_000_000)),
      'large for all, to people': await postForm('/sync/contact', 'x'.repeat(17_000_000), { accept: 'text/html' })
    }
    const statuses = Object.values(answers).map(({ status }) => status)
    t.strictSame(statuses, [200, 200, 200, 200, 200, 422, 404, 401, 404, 400, 414, 431, 413, 413, 413])
    for (const [name, { headers, status }] of Object.entries(answers)) {
      t.equal(headers.get('x-content-type-options'), 'nosniff', name)
      t.equal(headers.get('x-frame-options'), 'DENY', name)
      t.equal(headers.get('referrer-policy'), 'same-origin', name)
      t.match(headers.get('content-security-policy'), /^default-src 'none'; ?[^,]*frame-ancestors 'none'$/, name)
      t.equal(headers.get('server'), 'nginx', `${name}: no version`)
      t.notOk(headers.get('x-powered-by'), name)
      t.match(headers.get('x-request-id'), /^[^,]+$/, name)
      t.match(headers.get('cache-control'), /^(no-store|public, max-age=0, s-maxage=1)$/, name)
      t.match(headers.get('content-type'), /^[a-z/+]+; charset=utf-8$/, name)
      if (status < 400 || name.includes('people')) continue
      t.match(headers.get('content-type'), /problem\+json/, name)
      t.match(
        await answers[name]?.json(),
        { type: 'about:blank', status, title: String, code: /^[A-Z_]+$/, detail: String },
        name
      )
    }
    t.match(await answers['large for all, to people']?.text(), /<h1>Payload Too Large/)
    for (const path of ['/sync/', '/metrics', '/']) {
      const { names } = await askFrom('127.0.0.1', path)
      t.strictSame(
        names.filter((name, i) => name !== 'vary' && names.indexOf(name) !== i),
        [],
        `${path}: none is sent twice`
      )
    }
  })

  t.test('what is not clear HTTP is refused, and never reaches a gateway', async (t) => {
    const before = stack.gateway.lines.length
    const send = (...lines: string[]) => sendRaw(nginx.url, [`${lines.join('\r\n')}\r\n\r\n`], { end: true })
    const post = 'POST /sync/smuggled HTTP/1.1'
    const both = await send(post, 'Host: x', 'Content-Length: 4', 'Transfer-Encoding: chunked', '', '0')
    t.match(both, /^HTTP\/1.1 400/)
    t.match(await send(post, 'Host: x', 'Content-Length: 4', 'Content-Length: 5', '', 'abcd'), /^HTTP\/1.1 400/)
    t.match(await send(post, 'Host: x', 'Transfer-Encoding: xchunked', '', '0'), /^HTTP\/1.1 (400|501)/)
    t.match(await send('GET /sync/smuggled HTTP/1.1', 'Host: x', 'Host: y'), /^HTTP\/1.1 400/)
    t.match(await send('GET /sync/smuggled HTTP/1.1'), /^HTTP\/1.1 400/)
    t.match(await send('GET /sync/smuggled HTTP/1.1', 'Host : x'), /^HTTP\/1.1 400/)
    t.match(await send('GET /sync/smuggled HTTP/3.0', 'Host: x'), /^HTTP\/1.1 505 .*HTTP_VERSION_NOT_SUPPORTED/s)
    t.notMatch(stack.gateway.lines.slice(before).join('\n'), 'smuggled')
    t.notMatch(nginx.errors.join('\n'), 'uninitialized', 'nor is the error log filled with our own faults')
  })

  t.test('pages with keys are not compressed; what is the same for all is', async (t) => {
    const encodingOf = async (path: string) => (await get(path, { accept: '*/*' })).headers.get('content-encoding')
    for (const path of ['/openapi.json', '/docs/static/swagger-ui.css']) t.equal(await encodingOf(path), 'gzip', path)
    t.notOk((await get('/sync/', { accept: 'text/html' })).headers.get('content-encoding'))
  })

  t.test('a large body passes where the route takes it', async (t) => {
    const document = `<title>Large</title>${'<p>bees</p>'.repeat(90_000)}`
    const parsed = await post('/api/jobs/parse-page', { document }, KEY)
    t.equal(parsed.status, 200)
    t.match(await parsed.json(), { title: 'Large' })
  })

  t.test('server-sent events arrive one by one', async (t) => {
    const submitted = await post(
      '/api/jobs/store-submission/async?run_at=2099-01-01T08:00:00Z',
      { form: 'contact', data: CONTACT },
      KEY
    )
    const id = await idOf(submitted)
    const { body } = await get(`/api/jobs/${id}/events`, KEY)
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
    const seen: string[] = []
    const reading = (async () => {
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) seen.push(part.value)
    })()
    await eventually(() => assert.match(seen.join(''), /"status":"queued"/))
    const cancelled = await fetch(`${nginx.url}/api/jobs/${id}`, { method: 'DELETE', headers: KEY })
    t.equal(cancelled.status, 204)
    await reading
    t.match(seen.join(''), /"status":"queued".*"status":"cancelled"/s)
  })

  t.test('slow clients are let go after 10 s: with headers, with a body, with nothing', async (t) => {
    const since = Date.now()
    const slow = async (...pieces: string[]) => {
      const answer = await sendRaw(nginx.url, pieces, { timeout: 90_000 })
      return { answer, seconds: (Date.now() - since) / 1000 }
    }
    const ends = await Promise.all([
      slow('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      slow('POST /sync/contact HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'),
      slow()
    ])
    for (const { seconds } of ends) t.ok(seconds > 9 && seconds < 50, `after ${seconds} s, not after nginx's own 60`)
    t.equal((await get('/api/health')).status, 200)
  })
}

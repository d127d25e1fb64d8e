import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { clientOf } from '../helpers/stack.js'
import { startUpstream } from '../helpers/upstream.js'
import { openSocket, takeSockets } from '../helpers/web-socket.js'

if (withoutNginx) t.plan(0, withoutNginx)
else {
  const upstream = await startUpstream(t, ({ headers, url, method }, response) => {
    if (method === 'OPTIONS')
      return response.writeHead(204, { 'access-control-allow-origin': `${headers.origin}` }).end()
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ url, headers }))
  })
  const nginx = await startNginx(t, { gateways: [upstream.url] })
  const { get } = clientOf(() => nginx.url)
  const host = new URL(nginx.url).host

  t.test('C15 what a client says about where it comes from is overwritten', async (t) => {
    const { headers } = Object(
      await (
        await get('/api/health', {
          'x-forwarded-for': '198.51.100.7, 10.0.0.1',
          'x-forwarded-proto': 'https',
          'x-forwarded-host': 'evil.example',
          'x-forwarded-port': '443',
          'x-real-ip': '198.51.100.7',
          forwarded: 'for=198.51.100.7;proto=https',
          connection: 'keep-alive'
        })
      ).json()
    )
    t.match(headers, {
      host,
      'x-forwarded-host': host,
      'x-forwarded-for': /^127\.0\.0\.1$/,
      'x-forwarded-proto': /^http$/,
      'x-real-ip': '127.0.0.1',
      'x-request-id': /^[0-9a-f]{32}$/
    })
    for (const name of ['forwarded', 'x-forwarded-port', 'upgrade', 'connection']) t.notOk(headers[name], name)
    t.notMatch(JSON.stringify(headers), /198\.51|evil/)
  })

  t.test('addresses pass as they were written, credentials too', async (t) => {
    const path = '/async/a%20b%2Fc;d?x=%C3%A4&y=1&y=2'
    const { url, headers } = Object(await (await get(path, { 'x-api-key': 'k', authorization: 'Bearer x' })).json())
    t.equal(url, path)
    t.match(headers, { 'x-api-key': 'k', authorization: 'Bearer x' })
  })

  t.test('C13 a preflight reaches the gateway and comes back as it was answered', async (t) => {
    const answer = await fetch(`${nginx.url}/api/jobs`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' }
    })
    t.equal(answer.status, 204)
    t.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example')
    t.equal(await answer.text(), '')
  })

  t.test('connections to the gateway are kept', async (t) => {
    const ports = new Set<number | undefined>()
    const before = upstream.requests.length
    for (let i = 0; i < 20; i++) await get('/api/health')
    for (const { socket } of upstream.requests.slice(before)) ports.add(socket.remotePort)
    t.ok(ports.size <= 4, `20 requests on ${ports.size} connections`)
  })

  t.test('C14 a WebSocket opens under /ws and carries both ways; elsewhere no upgrade passes', async (t) => {
    takeSockets(upstream)
    const { socket, answer } = await openSocket(t, `${nginx.url}/ws/notifications`)
    t.equal(answer.statusCode, 101)
    socket.write('hello')
    t.equal(await new Promise((resolve) => socket.once('data', (data) => resolve(String(data)))), 'echo: hello')
    const elsewhere = await fetch(`${nginx.url}/api/health`, { headers: { 'x-upgrade': 'none' } })
    t.notOk(Object(await elsewhere.json()).headers.upgrade)
    await t.rejects(openSocket(t, `${nginx.url}/api/health`), /answered 200/)
  })

  t.test(
    'an address beyond its requests a second is told to wait, as a problem; limits count connections too',
    async (t) => {
      const slow = await startUpstream(t, async (_request, response) => {
        await sleep(500)
        response.end('done')
      })
      const strict = await startNginx(t, {
        gateways: [slow.url],
        env: { REQUESTS_PER_SECOND: '5', CONNECTIONS_PER_ADDRESS: '100' }
      })
      const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(`${strict.url}/api/health`)))
      const refused = answers.filter(({ status }) => status === 429)
      t.ok(refused.length >= 25 && refused.length <= 29, `${refused.length} of 40 refused: 10 more than one may wait`)
      t.equal(refused[0]?.headers.get('retry-after'), '1')
      t.match(await refused[0]?.json(), { status: 429, code: 'TOO_MANY_REQUESTS' })

      const narrow = await startNginx(t, { gateways: [slow.url], env: { CONNECTIONS_PER_ADDRESS: '5' } })
      const parallel = await Promise.all(Array.from({ length: 20 }, () => fetch(`${narrow.url}/api/health`)))
      t.equal(parallel.filter(({ status }) => status === 429).length, 15)
      t.equal((await fetch(`${narrow.url}/api/health`)).status, 200, 'and then goes on')
    }
  )

  t.test('without a gateway it says so: to programs, and to people', async (t) => {
    const alone = await startNginx(t, { gateways: ['http://127.0.0.1:1'] })
    const answer = await fetch(`${alone.url}/sync/`, { method: 'POST', body: 'x' })
    t.equal(answer.status, 502)
    t.match(answer.headers.get('content-type'), 'application/problem+json')
    t.equal(answer.headers.get('retry-after'), '2')
    t.match(await answer.json(), { status: 502, code: 'UNAVAILABLE', instance: answer.headers.get('x-request-id') })
    const page = await fetch(`${alone.url}/sync/`, { headers: { accept: 'text/html' } })
    t.match(await page.text(), /<h1>Bad Gateway/)
    t.match(alone.errors.join('\n'), 'connect() failed', 'A12 and its error log tells why')
  })

  t.test('a retry of the gateway is its own: Retry-After of the gateway stays as it is', async (t) => {
    const busy = await startUpstream(t, (_request, response) => response.writeHead(503, { 'retry-after': '7' }).end())
    const nginx = await startNginx(t, { gateways: [busy.url] })
    const answer = await fetch(`${nginx.url}/api/health`)
    t.equal(answer.headers.get('retry-after'), '7')
    t.equal(busy.requests.length, 1, 'and it is not asked again')
  })

  t.test('what may have reached a gateway is sent to no other, unless it changes nothing', async (t) => {
    let posts = 0
    const dying = async () => {
      const { server, url } = await startUpstream(t, (request) => {
        if (request.method === 'POST') posts++
        request.socket.destroy()
      })
      assert.ok(server)
      return url
    }
    const well = await startUpstream(t, (_request, response) => response.end('well'))
    const nginx = await startNginx(t, { gateways: [await dying(), await dying(), well.url] })
    for (let i = 0; i < 6; i++) t.equal(await (await fetch(`${nginx.url}/api/health`)).text(), 'well')
    const before = well.requests.length
    const statuses = []
    for (let i = 0; i < 6; i++) statuses.push((await fetch(`${nginx.url}/sync/`, { method: 'POST', body: 'x' })).status)
    const reached = well.requests.length - before
    t.equal(posts, 6 - reached, 'each post reached one')
    t.equal(statuses.filter((status) => status === 502).length, posts)
  })
}

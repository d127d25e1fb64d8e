import t from 'tap'
import { createOutside, startRawSite, startSite } from '../helpers/outside-app.js'

const allow = ({ port }: { port: number }) => `127.0.0.1:${port}`

t.test('E10 a safe request is sent again after 502, 503, 504 and broken connections, and then succeeds', async (t) => {
  for (const status of [502, 503, 504]) {
    const site = await startSite(t, (_, response) =>
      response.writeHead(site.requests.length < 3 ? status : 200).end('ok')
    )
    const { request } = await createOutside(t, { allow: allow(site) })
    t.equal((await request(site.url)).body.toString(), 'ok')
    t.equal(site.requests.length, 3, `${status}: two more tries`)
  }
  const rude = await startRawSite(t, (socket, times) => {
    if (times < 3) socket.destroy()
    else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })
  const { request } = await createOutside(t, { allow: allow(rude) })
  t.equal((await request(rude.url)).body.toString(), 'ok')
  t.equal(rude.connections(), 3)
})

t.test('E10 tries end: three in all, one where it would be useless, none beyond the time', async (t) => {
  const site = await startSite(t, ({ url = '' }, response) => {
    if (url === '/later') response.setHeader('retry-after', '60')
    response.writeHead(url === '/broken' ? 500 : 503).end()
  })
  const create = () => createOutside(t, { allow: allow(site), breaker: { failures: 100 } })
  const { fail } = await create()
  const count = async (path: string, options = {}) => {
    const before = site.requests.length
    const { code } = await fail(site.url + path, options)
    t.equal(code, 'UPSTREAM_FAILED')
    return site.requests.length - before
  }
  t.equal(await count('/'), 3)
  t.equal(await count('/', { retries: 0 }), 1)
  t.equal(await count('/broken'), 1, 'a 500 is no matter of waiting')
  t.equal(await count('/later'), 1, 'who asks for a minute gets it from the caller')
  t.match(await fail(`${site.url}/later`), { retryInMs: 60_000 })
})

t.test('E10 Retry-After is heeded, as seconds and as a date, within the time', async (t) => {
  for (const later of [() => '1', () => new Date(Date.now() + 2_000).toUTCString()]) {
    const times: number[] = []
    const site = await startSite(t, (_, response) => {
      times.push(performance.now())
      response.writeHead(times.length === 1 ? 503 : 200, { 'retry-after': later() }).end()
    })
    const { request } = await createOutside(t, { allow: allow(site) })
    t.equal((await request(site.url)).status, 200)
    const [first = 0, second = 0] = times
    t.ok(second - first > 900, `${Math.round(second - first)} ms later`)
  }
})

t.test(
  'E10 the breaker opens after failures in a row, then lets one trial through, and closes after a success',
  async (t) => {
    let healthy = false
    let now = 0
    const site = await startSite(t, (_, response) => response.writeHead(healthy ? 200 : 500).end())
    const other = await startSite(t, (_, response) => response.end())
    const { request, fail } = await createOutside(t, {
      allow: [site, other].map(allow).join(),
      breaker: { failures: 3, openMs: 10_000, trialMs: 5_000, now: () => now }
    })
    const open = async () => {
      const before = site.requests.length
      const error = await fail(site.url)
      t.equal(site.requests.length, before, 'nothing is sent')
      return error
    }

    for (let i = 0; i < 3; i++) t.match(await fail(site.url), { code: 'UPSTREAM_FAILED' })
    t.match(await open(), { code: 'BREAKER_OPEN', passing: true, retryInMs: 10_000 })
    t.equal((await request(other.url)).status, 200, 'another host is not concerned')

    now = 10_001
    t.match(await fail(site.url), { code: 'UPSTREAM_FAILED' }, 'the trial')
    t.equal(site.requests.length, 4)
    t.match(await open(), { code: 'BREAKER_OPEN' }, 'which failed')

    now = 20_002
    healthy = true
    const [trial, beside] = await Promise.allSettled([request(site.url), request(site.url)])
    t.equal(trial.status, 'fulfilled')
    t.match(
      beside,
      { status: 'rejected', reason: { code: 'BREAKER_OPEN', retryInMs: 5_000 } },
      'one trial at a time; the others come back when it must be over'
    )
    t.equal((await request(site.url)).status, 200)

    healthy = false
    for (let i = 0; i < 2; i++)
      t.match(await fail(site.url), { code: 'UPSTREAM_FAILED' }, 'it counts from the beginning')
    healthy = true
    t.equal((await request(site.url)).status, 200)
  }
)

t.test('E10 neither refusals, answers below 500, busy hosts nor cancelled calls open the breaker', async (t) => {
  const site = await startSite(t, ({ url = '' }, response) => {
    if (url !== '/silent') response.writeHead(Number(url.slice(1)), { location: 'http://127.0.0.2/' }).end()
  })
  const { request, fail } = await createOutside(t, { allow: allow(site), breaker: { failures: 2 } })
  for (let i = 0; i < 4; i++) {
    t.equal((await request(`${site.url}/404`)).status, 404)
    t.match(await fail(`${site.url}/429`), { code: 'UPSTREAM_BUSY' })
    t.match(await fail(`${site.url}/302`), { code: 'ADDRESS_FORBIDDEN' })
    const cancelled = new AbortController()
    const call = fail(`${site.url}/silent`, { signal: cancelled.signal })
    cancelled.abort(new Error('cancelled'))
    t.match(await call, { message: 'cancelled' })
  }
  t.match(await fail('http://127.0.0.2/'), { code: 'ADDRESS_FORBIDDEN' })
  t.match(await fail('http://127.0.0.2/'), { code: 'ADDRESS_FORBIDDEN' })
  t.match(await fail('http://127.0.0.2/'), { code: 'ADDRESS_FORBIDDEN' })
})

t.test('a refused connection and time-outs are failures', async (t) => {
  const silent = await startRawSite(t, () => {})
  const { fail } = await createOutside(t, { allow: `127.0.0.1:1,${allow(silent)}`, breaker: { failures: 2 } })
  for (let i = 0; i < 2; i++) t.match(await fail('http://127.0.0.1:1/', { retries: 0 }), { code: 'CONNECTION_FAILED' })
  t.match(await fail('http://127.0.0.1:1/'), { code: 'BREAKER_OPEN' })
  for (let i = 0; i < 2; i++) t.match(await fail(silent.url, { timeoutMs: 100 }), { code: 'TIMED_OUT' })
  t.match(await fail(silent.url), { code: 'BREAKER_OPEN' })
})

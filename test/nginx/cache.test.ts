import assert from 'node:assert/strict'
import { type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { startGateway } from '../helpers/processes.js'
import { CONTACT, clientOf, countRows, startServers } from '../helpers/stack.js'
import { startUpstream } from '../helpers/upstream.js'

t.setTimeout(200_000)

/** The places that are in the list of what may be cached. */
const CACHEABLE = ['/', '/openapi.json', '/static/any.css']

const statusOf = ({ headers }: Response) => {
  const status = headers.get('x-nginx-cache')
  assert.equal(headers.get('x-nginx-cache-status'), status, 'B12 both headers tell the same')
  return status
}

/** A gateway that lets everything be kept by everyone, and whose answers tell who asked, and when. */
const startCareless = async (t: Test) => {
  let count = 0
  const upstream = await startUpstream(t, ({ headers, method }, response) => {
    const { 'x-api-key': key = '', authorization = '', cookie = '' } = headers
    const body = {
      who: `${key}${authorization}${cookie}`,
      method,
      source: count++ ? 'redis-cache' : 'postgres'
    }
    response
      .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'public, s-maxage=60' })
      .end(JSON.stringify(body))
  })
  const nginx = await startNginx(t, { gateways: [upstream.url] })
  return { upstream, ...clientOf(() => nginx.url), url: nginx.url }
}

/** Sends an address as it is written, and any header. */
const ask = (url: string, path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const sent = request({ hostname, port, path, headers })
    sent.on('error', reject)
    sent.on('response', (answer) => {
      let body = ''
      answer.on('data', (part) => {
        body += part
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
    sent.end()
  })

if (withoutNginx) t.plan(0, withoutNginx)
else {
  const servers = await startServers(t)
  const gateway = await startGateway(t, { ...servers.env, TRUST_PROXY: '127.0.0.1' })
  const nginx = await startNginx(t, { gateways: [gateway.url] })
  const { get, post } = clientOf(() => nginx.url)

  t.test('B11 B12 the second GET of a cacheable route is a HIT, for a second; HEAD shares it', async (t) => {
    t.equal(statusOf(await get('/openapi.json')), 'MISS')
    t.equal(statusOf(await get('/openapi.json')), 'HIT')
    t.equal(statusOf(await fetch(`${nginx.url}/openapi.json`, { method: 'HEAD' })), 'HIT')
    await eventually(async () => assert.equal(statusOf(await get('/openapi.json')), 'MISS'), { pause: 300 })
    t.equal(statusOf(await get('/openapi.json')), 'HIT')
  })

  t.test('what people and programs get at one address is kept apart', async (t) => {
    for (const accept of ['text/html', 'application/json', 'text/html', 'application/json']) {
      t.match((await get('/', { accept })).headers.get('content-type'), accept)
    }
  })

  t.test(
    'B11 B12 posts always reach the gateway; a page with a key, an error and a health check are never kept',
    async (t) => {
      const before = (await countRows(servers.sql)).submissions
      for (let i = 0; i < 2; i++) t.equal(statusOf(await post('/sync/contact', CONTACT)), 'BYPASS')
      t.equal((await countRows(servers.sql)).submissions, before + 2)
      for (const path of [
        '/sync/',
        '/async/contact',
        '/api/health',
        '/readyz',
        '/nowhere',
        '/static/nowhere.css',
        '/api/jobs'
      ]) {
        t.not(statusOf(await get(path)), 'HIT')
        t.not(statusOf(await get(path)), 'HIT', path)
      }
      const keys = await Promise.all(
        [1, 2].map(
          async () =>
            /name="\w*key\w*" value="([^"]+)"/.exec(await (await get('/sync/', { accept: 'text/html' })).text())?.[1]
        )
      )
      t.ok(keys[0])
      t.not(keys[0], keys[1], 'each page has a key of its own')
    }
  )

  t.test('B11 B13 two posts, and two reads of tasks, reach even a gateway that lets everything be kept', async (t) => {
    const careless = await startCareless(t)
    for (const path of CACHEABLE) {
      for (let i = 0; i < 2; i++) t.match(await (await careless.post(path, {})).json(), { method: 'POST' })
    }
    t.equal(careless.upstream.requests.length, 2 * CACHEABLE.length)
    for (const path of ['/api/tasks', '/api/tasks?after=1', '/api/tasks/1', '/api/tasks', '/api/tasks/1']) {
      t.equal(statusOf(await careless.get(path)), 'BYPASS', path)
    }
    t.equal(careless.upstream.requests.length, 2 * CACHEABLE.length + 5)
  })

  t.test('B14 a HIT replays what the first answer said of where it came from', async (t) => {
    const careless = await startCareless(t)
    const sources = []
    for (let i = 0; i < 3; i++) {
      const answer = await careless.get('/openapi.json')
      sources.push([statusOf(answer), Object(await answer.json()).source])
    }
    t.strictSame(sources, [
      ['MISS', 'postgres'],
      ['HIT', 'postgres'],
      ['HIT', 'postgres']
    ])
  })

  const users: Record<string, Record<string, string>> = {
    anonymous: {},
    ada: { 'x-api-key': 'key-of-ada' },
    grace: { authorization: 'Bearer token-of-grace' },
    mary: { cookie: 'session=of-mary' }
  }
  const names = Object.keys(users)
  const orders = [names, names.toReversed(), ['grace', 'anonymous', 'ada', 'anonymous', 'mary', 'grace', 'ada', 'mary']]

  t.test('every GET, asked by everybody in three orders, gives each his own, whatever may be kept', async (t) => {
    const careless = await startCareless(t)
    const { paths } = Object(await (await get('/openapi.json')).json())
    const gets = Object.keys(paths).filter((path) => 'get' in paths[path])
    t.ok(gets.length > 10)
    const concrete = gets.map((path) =>
      path.replaceAll(/\{\w*id\}/g, '01940000-0000-7000-8000-000000000000').replaceAll(/\{\w+\}/g, 'contact')
    )
    const disguised = [
      '/api/jobs/x.css',
      '/static/../api/jobs',
      '/static/%2e%2e/api/jobs',
      '/api/jobs%0a',
      '/api/jobs;x.css',
      '//',
      '/?who=1'
    ]
    for (const [i, order] of orders.entries()) {
      for (const path of [...concrete, ...CACHEABLE, ...disguised]) {
        for (const name of order) {
          const [own = ''] = Object.values(users[name] ?? {})
          const { status, headers, body } = await ask(
            careless.url,
            `${path}${path.includes('?') ? '&' : '?'}n=${i}`,
            users[name]
          )
          if (status === 400) continue // nginx itself does not take this address
          const { who } = JSON.parse(body)
          if (who !== own) t.fail(`${path}: ${name} got what was made for ${who || 'nobody'}`)
          if (own && headers['x-nginx-cache'] === 'HIT') t.fail(`${path}: ${name} was answered from the cache`)
        }
      }
    }
    t.ok(careless.upstream.requests.length > 300, `${careless.upstream.requests.length} asked the gateway`)
  })

  t.test('whatever somebody says of who they are is something, 0 as well', async (t) => {
    const careless = await startCareless(t)
    for (let i = 0; i < 2; i++) {
      for (const name of ['authorization', 'cookie', 'x-api-key', 'origin']) {
        t.equal(statusOf(await careless.get('/', { [name]: '0' })), 'BYPASS', name)
      }
    }
    t.equal(statusOf(await careless.get('/')), 'MISS', 'and nothing of it was kept')
  })

  t.test('conditions that the gateway does not ask of a read are not asked of what is kept', async (t) => {
    const conditions = { 'if-match': '"x"', 'if-unmodified-since': 'Sat, 01 Jan 2000 00:00:00 GMT' }
    for (const [name, value] of Object.entries(conditions)) {
      t.equal((await get('/openapi.json')).status, 200)
      const answer = await get('/openapi.json', { [name]: value })
      t.strictSame([answer.status, statusOf(answer)], [200, 'BYPASS'])
    }
  })

  t.test('one host cannot put an answer into the place of another', async (t) => {
    const careless = await startCareless(t)
    const asked = new URL(careless.url).host
    await ask(careless.url, '/openapi.json', { host: 'evil.example' })
    const answer = await careless.get('/openapi.json')
    t.equal(statusOf(answer), 'MISS')
    t.equal(careless.upstream.requests[1]?.headers.host, asked)
  })

  t.test('a cookie that is set is not handed to others', async (t) => {
    let count = 0
    const upstream = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { 'cache-control': 'public, s-maxage=60', 'set-cookie': `n=${count++}` }).end('hello')
    })
    const nginx = await startNginx(t, { gateways: [upstream.url] })
    const cookies = [await fetch(`${nginx.url}/`), await fetch(`${nginx.url}/`)].map(({ headers }) =>
      headers.get('set-cookie')
    )
    t.strictSame(cookies, ['n=0', 'n=1'])
  })

  t.test('many who miss at once ask the gateway once', async (t) => {
    const upstream = await startUpstream(t, async (_request, response) => {
      await sleep(200)
      response.writeHead(200, { 'cache-control': 'public, s-maxage=60' }).end('hello')
    })
    const nginx = await startNginx(t, { gateways: [upstream.url] })
    const answers = await Promise.all(Array.from({ length: 100 }, async () => (await fetch(`${nginx.url}/`)).text()))
    t.strictSame([...new Set(answers)], ['hello'])
    t.equal(upstream.requests.length, 1)
  })

  t.test('who asks for a file that is not there waits for nobody else', async (t) => {
    const waiting: (() => void)[] = []
    const upstream = await startUpstream(t, (_request, response) => {
      waiting.push(
        () => response.headersSent || response.writeHead(404, { 'cache-control': 'no-store' }).end('nothing')
      )
      if (waiting.length === 10) for (const answer of waiting) answer()
    })
    const nginx = await startNginx(t, { gateways: [upstream.url] })
    const asking = Promise.all(
      Array.from({ length: 10 }, async () => (await fetch(`${nginx.url}/static/of-before.css`)).status)
    )
    const first = await Promise.race([asking, sleep(3_000)])
    t.strictSame(first, Array(10).fill(404), 'all are at the gateway together')
    for (const answer of waiting) answer()
    await asking.catch(() => {})
  })
}

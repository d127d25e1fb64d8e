import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import t from 'tap'
import { uuidv7 } from 'uuidv7'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { buildConsumer, loadHandlers } from '../../services/consumer/app.js'
import { buildGateway } from '../../services/gateway/app.js'
import { testConfig } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startConsumer, startGateway } from '../helpers/processes.js'
import { CONTACT, clientOf, countRows, idOf, startServers, startStack } from '../helpers/stack.js'

const registry = buildRegistry(await loadDefinitions())
const die = (error: Error) => {
  throw error
}

t.test('B20 D12 both services are built from settings, and both honour LOG_LEVEL (E6)', async (t) => {
  const handlers = await loadHandlers()
  for (const LOG_LEVEL of ['error', 'debug']) {
    const config = testConfig({ LOG_LEVEL })
    for (const app of [buildGateway({ config, registry, die }), buildConsumer({ config, registry, handlers, die })]) {
      t.equal(app.log.level, LOG_LEVEL)
      await app.close()
    }
  }
})

t.test('B20 a plugin with routes keeps to itself: what it decorates is unseen outside', async (t) => {
  const app = buildGateway({ config: testConfig(), registry, die })
  t.teardown(() => app.close())
  app.register(async (scope) => {
    scope.decorate('secretOfOneScope', true)
    scope.decorateRequest('secretOfOneRequest', true)
  })
  await app.ready()
  t.notOk(app.hasDecorator('secretOfOneScope'))
  t.notOk(app.hasRequestDecorator('secretOfOneRequest'))
  t.notOk(app.hasRequestDecorator('typed'), "the forms' own decorator stays with the forms")
  for (const shared of ['pg', 'groupCommit', 'queue', 'idempotency', 'ledger', 'submissions']) {
    t.ok(app.hasDecorator(shared), `${shared} is shared`)
  }
})

t.test(
  'a path with a method that it does not have is 405 and says which it has, in every part of the gateway',
  async (t) => {
    const app = buildGateway({ config: testConfig(), registry, die })
    t.teardown(() => app.close())
    const routes: { method: string; url: string }[] = []
    app.addHook('onRoute', ({ method, url }) => {
      if (!url.includes('*')) routes.push(...[method].flat().map((one) => ({ method: one, url })))
    })
    await app.ready()
    const paths = [...new Set(routes.map(({ url }) => url.replaceAll(/:\w+/g, uuidv7)))]
    t.ok(paths.length > 40, `${paths.length} paths`)
    for (const path of paths) {
      // a parameter takes what is another route's word, too
      const here = routes.filter(({ url }) => new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`).test(path))
      const methods = [...new Set(here.map(({ method }) => method))].sort()
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE'] as const) {
        if (methods.includes(method)) continue
        const answer = await app.inject({ method, url: path })
        const told = { status: answer.statusCode, allow: answer.headers.allow, code: answer.json().code }
        assert.deepEqual(
          told,
          { status: 405, allow: methods.join(', '), code: 'METHOD_NOT_ALLOWED' },
          `${method} ${path}`
        )
      }
      t.equal((await app.inject({ method: 'OPTIONS', url: path })).statusCode, 204)
    }
    for (const url of ['/nothing', '/api/tasks/1/more', '/docs/static/nothing.css']) {
      for (const method of ['GET', 'POST', 'DELETE'] as const)
        t.equal((await app.inject({ method, url })).statusCode, 404, `${method} ${url}`)
    }
  }
)

t.test('E6 A4 the gateway alone accepts jobs, and they wait; a consumer that starts later does them', async (t) => {
  const stack = await startStack(t)
  const ids = await Promise.all(
    Array.from({ length: 5 }, async () => idOf(await stack.post('/async/contact', CONTACT)))
  )
  t.match(await (await stack.get(`/async/contact/${ids[0]}`)).json(), { status: 'queued', attempts: 0 })
  t.match(await countRows(stack.sql), { jobs: 5, submissions: 0 })

  const consumer = await startConsumer(t, { ...stack.env, LOG_LEVEL: 'debug' })
  await eventually(async () => assert.equal((await countRows(stack.sql)).submissions, 5))
  const rows = await stack.sql<{ id: string }>("select id from submissions where mode = 'async' and form = 'contact'")
  t.strictSame(new Set(rows.map(({ id }) => id)), new Set(ids), 'A5 each under its own id, as async')
  t.ok(
    consumer.lines.every((line) => JSON.parse(line).service === 'consumer'),
    'A24 its log is JSON lines'
  )

  await t.test('a request can be followed by its id into the job', async (t) => {
    const id = await idOf(await stack.post('/async/contact', CONTACT, { 'x-request-id': 'follow-me' }))
    t.strictSame(await stack.sql('select trace from jobs where id = $1', [id]), [{ trace: 'follow-me' }])
    await eventually(() => assert.ok(stack.gateway.lines.some((line) => JSON.parse(line).reqId === 'follow-me')))
  })

  await t.test('SIGTERM ends both services with 0', async (t) => {
    for (const service of [stack.gateway, consumer]) {
      await service.kill('SIGTERM')
      t.match(await service.exited, { code: 0 })
    }
  })
})

t.test(
  'A2 A5 A19 the sync way works with Redis and the consumer stopped: the row is in Postgres before the answer',
  async (t) => {
    const { redis, env, sql } = await startServers(t)
    const gateway = await startGateway(t, env)
    const { post, get } = clientOf(() => gateway.url)
    await redis.stop()
    for (let i = 0; i < 5; i++) {
      const answer = await post('/sync/', { ...CONTACT, name: `Ada ${i}` })
      t.equal(answer.status, 201)
      // asked at once: a row that came after the answer would be missing now and then
      const id = await idOf(answer)
      t.strictSame(await sql('select form, mode, data from submissions where id = $1', [id]), [
        { form: 'contact', mode: 'sync', data: { ...CONTACT, name: `Ada ${i}` } }
      ])
      t.equal((await get(`/sync/contact/${id}`)).status, 200)
    }
    t.match(await countRows(sql), { jobs: 0, submissions: 5 })

    const job = await post('/async/contact', CONTACT)
    t.equal(job.status, 202, 'D14 and a job is accepted')
    t.match(await countRows(sql), { jobs: 1, submissions: 5 })
    await redis.start()
    await startConsumer(t, env)
    await eventually(async () => assert.equal((await countRows(sql)).submissions, 6))
  }
)

t.test(
  'a deploy answers no request with an error: what comes during a stop is answered and told to close',
  async (t) => {
    const stack = await startStack(t)
    const agent = new Agent({ keepAlive: true, maxSockets: 10 })
    t.teardown(() => agent.destroy())
    const send = () =>
      new Promise<number>((resolve, reject) => {
        const sent = request(`${stack.gateway.url}/sync/contact`, {
          method: 'POST',
          agent,
          headers: { 'content-type': 'application/json' }
        })
        sent.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode ?? 0)))
        sent.on('error', reject)
        sent.end(JSON.stringify(CONTACT))
      })
    const statuses: number[] = []
    const client = async () => {
      // until nobody listens any more, as a proxy that takes the gateway out of its list
      for (;;) {
        const status = await send().catch(({ code }: NodeJS.ErrnoException) => {
          if (code !== 'ECONNREFUSED') throw new Error(`a request broke: ${code}`)
        })
        if (status === undefined) return
        statuses.push(status)
      }
    }
    const clients = Array.from({ length: 10 }, client)
    await eventually(() => assert.ok(statuses.length > 50))
    await stack.gateway.kill('SIGTERM')
    await Promise.all(clients)
    t.strictSame([...new Set(statuses)], [201])
    t.equal((await countRows(stack.sql)).submissions, statuses.length)
    t.match(await stack.gateway.exited, { code: 0 })
  }
)

t.test('at the limit of open jobs a repeat is answered again, and what was not accepted does not count', async (t) => {
  const stack = await startStack(t, { OPEN_JOBS_PER_OWNER: '3', COMMIT_DEADLINE_MS: '200' })
  const key = { 'idempotency-key': 'first' }
  const first = await stack.post('/async/contact', CONTACT, key)
  await stack.post('/async/contact', CONTACT)
  await stack.post('/async/contact', CONTACT)
  // what is open is counted once a second
  const refused = await eventually(async () => {
    const answer = await stack.post('/async/contact', CONTACT)
    assert.equal(answer.status, 429)
    return answer
  })
  t.match(await refused.json(), { code: 'TOO_MANY_OPEN_JOBS' })
  t.ok(Number(refused.headers.get('retry-after')) > 0)
  const again = await stack.post('/async/contact', CONTACT, key)
  t.equal(again.status, 202)
  t.equal(await idOf(again), await idOf(first))

  await stack.sql(`update jobs set state = 'cancelled', finished_at = now()`)
  await eventually(async () => assert.equal((await stack.post('/async/contact', CONTACT)).status, 202))
  await stack.postgres.stop()
  for (let i = 0; i < 5; i++) t.equal((await stack.post('/async/contact', CONTACT)).status, 503)
  await stack.postgres.start()
})

t.test('C15 it starts with proxies that it knows by name, found or not', async (t) => {
  for (const TRUST_PROXY of ['localhost', 'nobody.invalid', '10.0.0.1, localhost']) {
    const app = buildGateway({ config: testConfig({ TRUST_PROXY }), registry, die })
    t.teardown(() => app.close())
    await t.resolves(async () => void (await app.ready()), TRUST_PROXY)
  }
})

/** The list of tasks at two gateways: never older than an answered write, at most one query for many who miss, and there without Redis. */
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import t from 'tap'
import { createBulkClient } from '../helpers/bulk-client.js'
import { eventually } from '../helpers/eventually.js'
import { startGateway } from '../helpers/processes.js'
import { startLine, through } from '../helpers/proxy.js'
import { startRedis } from '../helpers/services.js'
import { startServers } from '../helpers/stack.js'
import { startTraffic } from '../helpers/task-traffic.js'

const servers = await startServers(t)
const { sql } = servers
const env = { ...servers.env, PUBLIC_TASKS: 'true' }
const empty = async () => {
  await sql('update tasks set deleted_at = now() where deleted_at is null')
  const keys = new Redis(servers.redis.url)
  await keys.flushall()
  keys.disconnect()
}
t.beforeEach(empty)

/** What a gateway logs when it answers a write of which the others do not know yet. */
const UNTOLD = 'Redis could not be told what was written'

t.test('D8 B10 no read at either of two gateways is older than a write that was answered before it', async (t) => {
  const far = await startLine(t, servers.redis.port)
  far.delay(5) // else a write that is answered before it is told would hardly show
  const gateways = await Promise.all([
    startGateway(t, env),
    startGateway(t, { ...env, REDIS_URL: through(servers.redis.url, far) })
  ])
  const urls = gateways.map(({ url }) => url)
  const untold = () => gateways.flatMap(({ lines }) => lines.filter((line) => line.includes(UNTOLD))).length
  for (const { wanted, ...traffics } of [
    { writers: 16, readers: 16, wanted: { writes: 200, reads: 500, hits: 20 } },
    { writers: 8, readers: 24, pause: 50, wanted: { writes: 100, reads: 1_000, hits: 100, known: 1 } }
  ]) {
    // where the machine is so busy that Redis cannot be told in time, the gateway says so: that is another promise
    for (let tries = 1; ; tries++) {
      await empty()
      const before = untold()
      const traffic = startTraffic(t, { urls, ...traffics })
      await traffic.more(wanted)
      await traffic.stop()
      const { counts, faults } = traffic
      t.comment(JSON.stringify(counts))
      if (faults.length && tries < 10) {
        const why = `${faults.length} faults, and Redis was told all: ${faults.slice(0, 5)}`
        await eventually(() => assert.ok(untold() > before, why))
        continue
      }
      t.strictSame(faults.slice(0, 5), [], `${faults.length} faults`)
      break
    }
  }
})

t.test('500 who miss at once cost each gateway one query at the most', async (t) => {
  const lines = await Promise.all([1, 2].map(() => startLine(t, servers.postgres.port)))
  const queries = [0, 0]
  for (const [n, line] of lines.entries()) {
    line.onData((data) => {
      queries[n] = (queries[n] ?? 0) + data.split('order by id desc limit 51').length - 1
    })
  }
  const gateways = await Promise.all(
    lines.map((line) => startGateway(t, { ...env, DATABASE_URL: through(servers.postgres.url, line) }))
  )
  const clients = gateways.map(({ url }) => createBulkClient(t, url))
  await Promise.all(clients.map((send) => Promise.all(Array.from({ length: 500 }, () => send('/healthz')))))
  const passings = () => gateways.map(({ lines }) => lines.filter((line) => line.includes('Redis is slow')).length)
  let served = 0
  // where the machine is so busy that Redis is passed over, each loads for itself, and says so: that is another promise
  for (let round = 0; served < 5 && round < 30; round++) {
    await empty()
    queries.fill(0)
    const before = passings()
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => clients[n % 2]?.('/api/tasks')))
    t.ok(answers.every((answer) => answer?.status === 200))
    t.ok(Math.max(...queries) > 0, 'the list was taken away')
    for (const [n, count] of queries.entries()) {
      if (count <= 1) continue
      const passedOver = () =>
        assert.ok((passings()[n] ?? 0) > (before[n] ?? 0), `${queries} queries, and Redis was there`)
      await eventually(passedOver)
    }
    if (Math.max(...queries) === 1) served++
  }
  t.equal(served, 5)
})

t.test(
  'Redis killed again and again: every request is answered, and no gateway shows less than it has answered',
  async (t) => {
    const redis = await startRedis(t, { persistent: true })
    const gateways = await Promise.all([1, 2].map(() => startGateway(t, { ...env, REDIS_URL: redis.url })))
    const urls = gateways.map(({ url }) => url)
    const traffic = startTraffic(t, { urls, writers: 8, readers: 16, apart: true })
    for (let round = 0; round < 4; round++) {
      await traffic.more({ writes: 50, reads: 500 })
      await (round === 3 ? redis.freeze() : redis.kill())
      await traffic.more({ writes: 8, reads: 50 })
      await (round === 3 ? redis.thaw() : redis.start())
    }
    await traffic.more({ writes: 50, reads: 500 })
    await traffic.stop()
    t.strictSame(traffic.faults.slice(0, 5), [], `${traffic.faults.length} faults`)
    t.comment(JSON.stringify(traffic.counts))

    await t.test('and once it can be told again, both show the same', async (t) => {
      await eventually(async () => {
        for (const url of urls) {
          const { source } = Object(await (await fetch(`${url}/api/tasks`)).json())
          assert.equal(source, 'redis-cache')
        }
      })
      await empty()
      const traffic = startTraffic(t, { urls, writers: 8, readers: 8, pause: 50 })
      await traffic.more({ writes: 50, hits: 10 })
      await traffic.stop()
      t.strictSame(traffic.faults.slice(0, 5), [], `${traffic.faults.length} faults`)
    })
  }
)

t.test('Postgres away: the cached list is still shown, the rest says 503, and nothing is kept of it', async (t) => {
  const line = await startLine(t, servers.postgres.port)
  const url = through(servers.postgres.url, line)
  const gateway = await startGateway(t, { ...env, DATABASE_URL: url, COMMIT_DEADLINE_MS: '300' })
  const send = createBulkClient(t, gateway.url)
  const { body } = await send('/api/tasks', { type: 'application/json', body: '{"title":"Feed the bees"}' })
  const { id } = JSON.parse(body)
  t.match(JSON.parse((await send('/api/tasks')).body), { source: 'postgres' })
  line.refuse(true)
  line.cut()
  t.match(JSON.parse((await send('/api/tasks')).body), { source: 'redis-cache', items: [{ id }] })
  t.equal((await send(`/api/tasks/${id}`)).status, 503)
  t.equal((await send('/api/tasks?limit=5')).status, 503)
  for (const method of ['PATCH', 'DELETE']) {
    const about = method === 'PATCH' ? { type: 'application/json', body: '{"title":"x"}' } : {}
    t.equal((await send(`/api/tasks/${id}`, { method, ...about })).status, 503, method)
  }
  const refused = await send('/api/tasks', { type: 'application/json', body: '{"title":"x"}' })
  t.equal(refused.status, 503)
  t.ok(refused.headers['retry-after'])
  t.equal((await send('/api/tasks')).status, 503, 'it may have been written: the list is not trusted')
  line.refuse(false)
  await eventually(async () => assert.equal((await send(`/api/tasks/${id}`)).status, 200))
  t.match(JSON.parse((await send('/api/tasks')).body), { source: 'postgres', items: [{ id }] })
})

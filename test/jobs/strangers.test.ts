/** What others put into Redis, and work that takes long: neither stops the consumer or holds up who is answered at once. */
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import t from 'tap'
import { uuidv7 } from 'uuidv7'
import { eventually } from '../helpers/eventually.js'
import { findDeliveries, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'
import { createApi, probe } from './api.js'

const stack = await startFaultStack(t)
const [gateway, consumer] = await Promise.all([stack.gateway(), stack.consumer()])
const api = createApi(gateway)

t.test('deliveries put straight into Redis never stop the consumer, and run nothing that is not due', async (t) => {
  const later = await api.send({ marker: 'not due' }, '?run_at=2099-01-01T00:00:00Z')
  const done = await api.send({ marker: 'done' })
  await settled(stack.db, [done])
  const redis = new Redis(stack.redis.url)
  t.teardown(() => redis.disconnect())
  const options = { timestamp: Date.now(), stacktraces: [] }
  const bodies = [
    'no JSON',
    '{}',
    'null',
    JSON.stringify({ data: { v: 1 }, options, status: 'created' }),
    JSON.stringify({ data: { v: 1, ids: 'all' }, options, status: 'created' }),
    JSON.stringify({ data: { v: 1, ids: ['no id'] }, options, status: 'created' }),
    JSON.stringify({ data: { v: 99, ids: [later] }, options, status: 'created' }),
    JSON.stringify({ data: { v: 1, ids: Array(5_000).fill(later) }, options, status: 'created' }),
    JSON.stringify({ data: { v: 1, ids: [uuidv7(), uuidv7()] }, options, status: 'created' }), // ghosts
    JSON.stringify({ data: { v: 1, ids: [later, done] }, options, status: 'created' }) // another's, in a delivery of its own
  ]
  for (const body of bodies) {
    const id = uuidv7()
    await redis.hset('bq:probes:jobs', id, body)
    await redis.lpush('bq:probes:waiting', id)
  }
  await redis.lpush('bq:probes:waiting', uuidv7(), 'no id at all') // without a body
  const after = await Promise.all([1, 2, 3].map((n) => api.send({ marker: `after strangers ${n}` })))
  t.ok((await settled(stack.db, after)).every(({ state }) => state === 'succeeded'))
  t.match(await readJob(stack.db, later), { state: 'queued', attempts: 0 })
  t.match(await readJob(stack.db, done), { state: 'succeeded', attempts: 1, effects: 1 })
  await eventually(async () => assert.deepEqual(await findDeliveries(stack.redis), []), { timeout: 30_000 })
  t.equal((await fetch(`${consumer.url}/healthz`)).status, 200)
})

t.test('E13 while long jobs run, short requests are answered at once', async (t) => {
  const long = await Promise.all(
    Array.from({ length: 4 }, (_, n) => api.send({ marker: `long ${n}`, action: 'sleep', ms: 10_000 }))
  )
  await eventually(async () => {
    for (const id of long) assert.equal(await api.status(id), 'active')
  })
  const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(`${gateway.url}/api/health`)))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal((await api.post('/api/jobs/probe', probe({ marker: 'short beside long' }))).status, 200)
  for (const id of long) t.equal(await api.status(id), 'active', 'they still run')
  for (const id of long) t.equal((await api.call('DELETE', `/api/jobs/${id}`)).status, 204)
})

t.test('D2 a thousand may wait at once: they share the connections, and each is answered in time', async (t) => {
  await consumer.kill('SIGTERM')
  const waiting = Promise.all(
    Array.from({ length: 1_000 }, (_, n) =>
      api.post('/api/jobs/probe', probe({ marker: `crowd ${n}` }), { prefer: 'wait=5' })
    )
  )
  await eventually(async () => {
    const { rows } = await stack.db.query(
      `select count(*)::int as n from jobs where payload->'data'->>'marker' like 'crowd%'`
    )
    assert.equal(rows[0].n, 1_000)
  })
  const { rows } = await stack.db.query(`select count(*)::int as n from pg_stat_activity where usename = 'beeline_app'`)
  t.ok(rows[0].n <= 10, `${rows[0].n} connections`)
  const answers = await waiting
  t.ok(answers.every(({ status }) => status === 202))
  await consumer.restart()
  await settled(
    stack.db,
    answers.map(({ body }) => body.id)
  )
})

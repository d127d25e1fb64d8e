/** Send and wait: the answer is the result, or comes in time and says what became of the job. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { balanced, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'
import { KEY } from '../helpers/processes.js'
import { createApi, probe } from './api.js'

const stack = await startFaultStack(t)
const [gateway, consumer] = await Promise.all([stack.gateway(), stack.consumer()])
const api = createApi(gateway)
const UUID = /^[0-9a-f-]{36}$/

t.test('D15 D13 a program sends by type name alone, waits, and is answered the result', async (t) => {
  const answer = await api.post('/api/jobs/probe', probe({ marker: 'waits' }))
  t.match(answer, { status: 200, body: { run: UUID } })
  const location = answer.headers.get('location') ?? ''
  t.match(location, /^\/api\/jobs\/[0-9a-f-]{36}$/)
  t.match((await api.get(location)).body, { status: 'succeeded', attempts: 1, result: answer.body })
  t.equal(answer.headers.get('preference-applied'), null)
})

t.test('the result of a very short job is never missed: many at once, each answered soon', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) => api.post('/api/jobs/probe', probe({ marker: `short ${n}` })))
  )
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(new Set(answers.map(({ body }) => body.run)).size, 200)
})

t.test('rule 12: the gateway listens where the consumer tells what has ended', async (t) => {
  const redis = new Redis(stack.redis.url)
  t.teardown(() => redis.disconnect())
  await eventually(async () => assert.deepEqual(await redis.pubsub('NUMSUB', 'bq:ended'), ['bq:ended', 1]))
  const told: string[] = []
  redis.on('message', (_channel, ids) => told.push(...ids.split(',')))
  await redis.subscribe('bq:ended')
  const { headers } = await api.post('/api/jobs/probe', probe({ marker: 'told' }))
  await eventually(() => assert.ok(told.includes(headers.get('location')?.split('/').at(-1) ?? '')))
})

t.test('when the wait ends the job goes on, as the caller chose (detach), and its handler runs once', async (t) => {
  const answer = await api.post('/api/jobs/probe', probe({ marker: 'detached', action: 'sleep', ms: 4_000 }), {
    prefer: 'wait=1'
  })
  t.match(answer, { status: 202, body: { id: UUID, status: /^(queued|active)$/ } }, 'D18 before the job has ended')
  t.equal(answer.headers.get('preference-applied'), 'wait=1')
  t.equal(answer.headers.get('location'), `/api/jobs/${answer.body.id}`)
  t.ok(answer.headers.get('retry-after'))
  t.match(await settled(stack.db, [answer.body.id]), [{ state: 'succeeded', attempts: 1, effects: 1 }])
})

t.test('D19 revoke: a running job is aborted and cancelled, a waiting one never runs', async (t) => {
  const running = await api.post(
    '/api/jobs/probe?on_timeout=revoke',
    probe({ marker: 'revoked', action: 'sleep', ms: 10_000 }),
    {
      prefer: 'wait=2'
    }
  )
  t.match(running, { status: 408, body: { code: 'JOB_REVOKED' } })
  const id = running.headers.get('location')?.split('/').at(-1) ?? ''
  t.match(await readJob(stack.db, id), { state: 'cancelled', effects: 0 })
  await eventually(() =>
    assert.ok(consumer.lines.some((line) => line.includes(id) && line.includes('a running job was ended')))
  )

  await consumer.kill('SIGTERM')
  const waiting = await api.post('/api/jobs/probe?on_timeout=revoke', probe({ marker: 'never runs' }), {
    prefer: 'wait=1'
  })
  t.equal(waiting.status, 408)
  await consumer.restart()
  const later = await api.send({ marker: 'behind it' })
  await settled(stack.db, [later])
  t.match(await readJob(stack.db, waiting.headers.get('location')?.split('/').at(-1) ?? ''), {
    state: 'cancelled',
    attempts: 0,
    effects: 0
  })
})

t.test('D16 respond-async, and the way for those who never wait', async (t) => {
  const preferred = await api.post('/api/jobs/probe', probe(), { prefer: 'respond-async' })
  t.match(preferred, { status: 202, body: { id: UUID, status: 'queued' } })
  t.equal(preferred.headers.get('preference-applied'), 'respond-async')
  const sent = await api.post('/api/jobs/probe/async', probe())
  t.match(sent, { status: 202, body: { id: UUID, status: 'queued' } })
  const { id } = sent.body
  const result = await eventually(async () => {
    const answer = await api.get(`/api/jobs/${id}/result`)
    assert.equal(answer.status, 200)
    return answer
  })
  t.match(result.body, { run: UUID })
})

t.test('a job that ends badly is 409 and says how; what cannot be read in Prefer is passed over', async (t) => {
  t.match(await api.post('/api/jobs/probe', probe({ action: 'give-up' })), {
    status: 409,
    body: { code: 'JOB_DEAD', detail: /as the probe says/ }
  })
  const odd = await api.post('/api/jobs/probe', probe(), { prefer: 'wait=soon, handling=lenient; x="y,z", ,=' })
  t.equal(odd.status, 200)
  t.equal(odd.headers.get('preference-applied'), null)
})

t.test('a repeated request with the same key waits for the same job', async (t) => {
  const headers = { 'idempotency-key': 'once' }
  const slow = probe({ marker: 'keyed', action: 'sleep', ms: 1_500 })
  const first = api.post('/api/jobs/probe', slow, headers)
  await sleep(300)
  const [one, other] = await Promise.all([first, api.post('/api/jobs/probe', slow, headers)])
  t.same(one.body, other.body)
  t.equal(other.headers.get('idempotency-replayed'), 'true')
  t.match(await api.post('/api/jobs/probe', probe({ marker: 'another' }), headers), {
    status: 422,
    body: { code: 'IDEMPOTENCY_KEY_REUSED' }
  })
})

t.test('D2 fifty that wait hold no connection of the database and do not hold up others', async (t) => {
  const waiting = Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      api.post('/api/jobs/probe', probe({ marker: `holds ${n}`, action: 'sleep', ms: 1_000 }), { prefer: 'wait=60' })
    )
  )
  await sleep(500)
  const { rows } = await stack.db.query<{ state: string }>(
    `select state from pg_stat_activity where usename = 'beeline_app' and (state like 'idle in%' or (state = 'active' and now() - query_start > interval '500 ms'))`
  )
  t.strictSame(rows, [])
  const asked = await Promise.all(Array.from({ length: 20 }, () => fetch(`${gateway.url}/api/health`)))
  t.ok(asked.every(({ status }) => status === 200))
  t.ok((await waiting).every(({ status }) => status === 200))
})

t.test('D17 without Redis the wait asks the ledger', async (t) => {
  const second = await stack.gateway()
  const slow = createApi(second).post('/api/jobs/probe', probe({ marker: 'no message', action: 'sleep', ms: 1_500 }), {
    prefer: 'wait=30'
  })
  await sleep(700)
  await stack.redis.kill()
  t.match(await slow, { status: 200, body: { run: UUID } })
  const away = await api.post('/api/jobs/probe', probe({ marker: 'redis is away' }), { prefer: 'wait=1' })
  t.match(away, { status: 202, body: { status: 'queued' } }, 'D14 accepted all the same')
  const cancelled = await api.call('DELETE', `/api/jobs/${away.body.id}`)
  t.equal(cancelled.status, 204, 'cancel works without Redis')
  await stack.redis.start()
})

t.test('D18 with the consumer stopped no request hangs; a caller who leaves takes nothing with it', async (t) => {
  await consumer.kill('SIGTERM')
  const answer = await api.post('/api/jobs/probe', probe({ marker: 'nobody works' }), { prefer: 'wait=2' })
  t.equal(answer.status, 202)
  const leaving = new AbortController()
  const left = fetch(`${gateway.url}/api/jobs/probe?on_timeout=revoke`, {
    method: 'POST',
    headers: { ...KEY, 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify(probe({ marker: 'caller left' })),
    signal: leaving.signal
  }).catch((error) => error.name)
  await eventually(async () => {
    const { rows } = await stack.db.query(`select id from jobs where payload->'data'->>'marker' = 'caller left'`)
    assert.equal(rows.length, 1)
  })
  leaving.abort()
  t.equal(await left, 'AbortError')
  await consumer.restart()
  const { rows } = await stack.db.query<{ id: string }>(
    `select id from jobs where payload->'data'->>'marker' = 'caller left'`
  )
  await settled(stack.db, [answer.body.id, ...rows.map(({ id }) => id)])
})

t.test('a gateway that stops answers those who wait: the job goes on', async (t) => {
  const stopping = await stack.gateway()
  const waiting = createApi(stopping).post('/api/jobs/probe', probe({ marker: 'deploy', action: 'sleep', ms: 2_000 }), {
    prefer: 'wait=60'
  })
  await sleep(500)
  await stopping.kill('SIGTERM')
  const answer = await waiting
  t.match(answer, { status: 202, body: { id: UUID } })
  t.match(await settled(stack.db, [answer.body.id]), [{ state: 'succeeded', attempts: 1 }])
  await balanced(stack.db)
})

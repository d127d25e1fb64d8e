/** Handlers that fail, and a consumer that stops: attempts are counted, noted and given back (design rules 4, 5, 12, 13). */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'
import type { Process } from '../helpers/processes.js'

const stack = await startFaultStack(t)
const { db } = stack
const gateway = await stack.gateway()

const runsOf = ({ lines }: Process, marker: string) =>
  lines.filter((line) => line.includes('the probe runs') && line.includes(`"${marker}"`)).length
const running = (consumer: Process, marker: string) =>
  eventually(() => assert.ok(runsOf(consumer, marker), `${marker} runs`), { timeout: 30_000 })

t.test(
  'a handler that throws is tried again, one that gives up is not, one that throws always is dead with its reason',
  async (t) => {
    const consumer = await stack.consumer()
    const [once, always, never] = await Promise.all([
      accept(gateway, { marker: 'once', action: 'once' }),
      accept(gateway, { marker: 'always', action: 'throw' }),
      accept(gateway, { marker: 'never', action: 'give-up' })
    ])
    await settled(db, [once, always, never])
    t.match(await readJob(db, once), { state: 'succeeded', attempts: 2 })
    t.match(await readJob(db, always), { state: 'dead', attempts: 3, error: { code: 'HANDLER_FAILED' } })
    t.match(await readJob(db, never), { state: 'dead', attempts: 1, error: { code: 'HANDLER_FAILED' } })
    const { rows } = await db.query('select attempt, outcome from job_attempts where job_id = $1 order by attempt', [
      always
    ])
    t.strictSame(
      rows,
      [1, 2, 3].map((attempt) => ({ attempt, outcome: 'failed' }))
    )
    await consumer.kill('SIGTERM')
  }
)

t.test('an effect that Postgres refuses fails its own attempt, and the others of that commit are stored', async (t) => {
  const ids = await Promise.all(
    ['good 1', 'bad', 'good 2', 'good 3'].map((marker) => accept(gateway, { form: 'probe-batch', marker }))
  )
  const consumer = await stack.consumer()
  await eventually(async () => {
    for (const [n, id] of ids.entries()) {
      const job = await readJob(db, id)
      if (n === 1 ? !job.error : job.state !== 'succeeded') throw new Error(`${n} is ${job.state}`)
    }
  })
  t.match(await readJob(db, ids[1] ?? ''), { effects: 0, error: { detail: /violates check constraint/ } })
  await consumer.kill('SIGTERM')
})

t.test(
  'a handler that takes too long is aborted; one that ignores its signal ends the consumer, not the job',
  async (t) => {
    const consumer = await stack.consumer()
    const slow = await accept(gateway, { form: 'probe-brief', marker: 'slow', action: 'sleep', ms: 30_000 })
    await settled(db, [slow])
    t.match(await readJob(db, slow), { state: 'dead', attempts: 2, error: { code: 'TIMED_OUT' } })
    const deaf = await accept(gateway, { form: 'probe-brief', marker: 'deaf', action: 'hang', ms: 60_000 })
    const { code } = await consumer.exited
    t.equal(code, 1, 'it drains and ends, so that whoever runs it starts a healthy one')
    t.match(await readJob(db, deaf), { state: 'queued', attempts: 1, error: { code: 'TIMED_OUT' } })
    await db.query(`update jobs set payload = jsonb_set(payload, '{data,ms}', '1') where id = $1`, [deaf])
    await consumer.restart()
    t.match(await settled(db, [deaf]), [{ state: 'succeeded', attempts: 2 }])
    await consumer.kill('SIGTERM')
  }
)

t.test('a stop waits for what ends in time and gives the rest back, no attempt counted', async (t) => {
  const consumer = await stack.consumer()
  const [short, long] = await Promise.all([
    accept(gateway, { marker: 'short', action: 'sleep', ms: 1_000 }),
    accept(gateway, { marker: 'too-long', action: 'sleep', ms: 30_000 })
  ])
  await Promise.all([running(consumer, 'short'), running(consumer, 'too-long')])
  await consumer.kill('SIGTERM')
  t.equal((await consumer.exited).code, 0)
  t.match(await readJob(db, short), { state: 'succeeded', attempts: 1 })
  t.match(await readJob(db, long), { state: 'queued', attempts: 0 })
  await db.query(`update jobs set payload = jsonb_set(payload, '{data,ms}', '10') where id = $1`, [long])
  await consumer.restart()
  t.match(await settled(db, [long]), [{ state: 'succeeded', attempts: 1 }])
  await consumer.kill('SIGTERM')
})

t.test(
  'a payload that does not fit is dead; an unknown type or a newer version waits for a newer consumer',
  async () => {
    const [misfit, newer, unknown] = await Promise.all(
      ['misfit', 'newer', 'unknown'].map((marker) => accept(gateway, { marker }))
    )
    await db.query(`update jobs set payload = '{"form":"probe","data":{"marker":7}}' where id = $1`, [misfit])
    await db.query('update jobs set schema_version = 2 where id = $1', [newer])
    await db.query(`update jobs set type = 'from-the-future' where id = $1`, [unknown])
    const consumer = await stack.consumer()
    await eventually(async () => {
      const { state, attempts, error } = await readJob(db, misfit ?? '')
      assert.deepEqual({ state, attempts, code: error?.code }, { state: 'dead', attempts: 1, code: 'SCHEMA_MISMATCH' })
      const { rows } = await db.query(
        `select state, attempts, extract(epoch from run_at - now()) > 20 as later from jobs where id = any($1::uuid[])`,
        [[newer, unknown]]
      )
      assert.deepEqual(rows, Array(2).fill({ state: 'queued', attempts: 0, later: true }))
    })
    await db.query(`update jobs set schema_version = 1, type = 'probe', run_at = now() where id = any($1::uuid[])`, [
      [newer, unknown]
    ])
    await settled(db, [newer ?? '', unknown ?? ''])
    await consumer.kill('SIGTERM')
  }
)

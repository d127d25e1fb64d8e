/** A consumer killed at each step of a run: the job succeeds once, whatever had been committed by then (design rules 3 to 6). */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, findDeliveries, readJob, settled, startFaultStack, submit } from '../helpers/fault-stack.js'

const preload = join(import.meta.dirname, '../helpers/kill-point.js')
const folder = await mkdtemp(join(tmpdir(), 'beeline-kill-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

const stack = await startFaultStack(t)
const marker = (point: string) => join(folder, point.replace(/\W/g, '-'))
const killAt = (point: string) => [{ KILL_POINT: point, KILL_MARKER: marker(point) }, { preload }] as const

/**
 * Form, point of the kill, and the attempts that the job then needs: of one that is only stored the first try counts as none, and
 * with an effect that was answered the commit is under way.
 */
const POINTS: [form: string, point: string, attempts: number | number[]][] = [
  ['probe', 'before:claim_jobs', 1],
  ['probe', 'after:claim_jobs', 2],
  ['probe', 'before:finish_succeeded', 2],
  ['probe', 'before:insert_effects', 2],
  ['probe', 'after:insert_effects', [1, 2]],
  ['probe', 'before:commit', 2],
  ['probe', 'after:commit', 1],
  ['probe-stored', 'before:lock_fresh', 1],
  ['probe-stored', 'after:lock_fresh', 1],
  ['probe-stored', 'before:finish_locked', 1],
  ['probe-stored', 'before:insert_effects', 1],
  ['probe-stored', 'after:insert_effects', 1],
  ['probe-stored', 'before:commit', 1],
  ['probe-stored', 'after:commit', 1]
]

const gateway = await stack.gateway()

for (const [form, point, attempts] of POINTS) {
  t.test(`a ${form} job whose consumer is killed ${point.replace(':', ' ')} succeeds once`, async (t) => {
    await rm(marker(point), { force: true })
    const consumer = await stack.consumer(...killAt(point))
    const id = await accept(gateway, { form, marker: point })
    t.equal((await consumer.exited).signal, 'SIGKILL', 'the consumer was killed there')
    t.ok(existsSync(marker(point)))
    await consumer.restart()
    await settled(stack.db, [id])
    // the delivery that the dead consumer had popped comes out once more, and finds nothing to do
    if (point === 'after:commit')
      await eventually(async () => assert.deepEqual(await findDeliveries(stack.redis), []), { timeout: 30_000 })
    const [job] = await settled(stack.db, [id])
    t.match(job, { state: 'succeeded', effects: 1 })
    t.ok([attempts].flat().includes(job?.attempts ?? 0), `${job?.attempts} attempts`)
    await consumer.kill('SIGTERM')
  })
}

t.test('a job whose consumer is killed after the claim survives the loss of all Redis data', async (t) => {
  const point = 'after:claim_jobs'
  await rm(marker(point), { force: true })
  const consumer = await stack.consumer(...killAt(point))
  const id = await accept(gateway, { marker: 'flushed' })
  await consumer.exited
  await stack.redis.kill()
  await stack.redis.start()
  await consumer.restart()
  t.match(await settled(stack.db, [id]), [{ state: 'succeeded', attempts: 2, effects: 1 }])
  await consumer.kill('SIGTERM')
})

for (const mode of ['async', 'sync'] as const) {
  t.test(
    `a ${mode} submission whose gateway is killed after the commit is stored once when it is repeated`,
    async (t) => {
      const point = 'after:commit'
      await rm(marker(point), { force: true })
      const mortal = await stack.gateway(...killAt(point))
      const submission = { form: 'contact', marker: `unanswered ${mode}`, mode, key: `key-${mode}` }
      await t.rejects(submit(mortal, submission), 'the connection breaks without an answer')
      await mortal.exited
      await mortal.restart()
      const answers = [await submit(mortal, submission), await submit(gateway, submission)]
      const table = mode === 'sync' ? 'submissions' : 'jobs'
      const column = mode === 'sync' ? 'data' : `payload->'data'`
      const { rows } = await stack.db.query(`select id from ${table} where ${column}->>'name' = $1`, [
        submission.marker
      ])
      t.equal(rows.length, 1, 'one row')
      for (const answer of answers)
        t.match(answer, { status: mode === 'sync' ? 201 : 202, replayed: true, id: rows[0].id })
      t.equal((await submit(gateway, { ...submission, marker: 'another' })).code, 'IDEMPOTENCY_KEY_REUSED')
    }
  )
}

t.test('a gateway killed before its commit has stored nothing', async (t) => {
  const point = 'before:commit'
  await rm(marker(point), { force: true })
  const mortal = await stack.gateway(...killAt(point))
  const submission = { marker: 'uncommitted', key: 'key-uncommitted' }
  await t.rejects(submit(mortal, submission))
  await mortal.exited
  const consumer = await stack.consumer()
  const answer = await submit(gateway, submission)
  t.match(answer, { status: 202, replayed: false })
  await settled(stack.db, [answer.id])
  t.equal((await readJob(stack.db, answer.id)).attempts, 1)
  await consumer.kill('SIGTERM')
})

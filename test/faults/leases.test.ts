/** A lease is the right to run: renewed while its holder lives, worth nothing once another holds the job (design rule 6). */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, settled, startFaultStack } from '../helpers/fault-stack.js'
import type { Process } from '../helpers/processes.js'

const stack = await startFaultStack(t)
const { db } = stack
const gateway = await stack.gateway()

const runsOf = ({ lines }: Process, marker: string) =>
  lines.filter((line) => line.includes('the probe runs') && line.includes(`"${marker}"`)).length
const running = (consumer: Process, marker: string) =>
  eventually(() => assert.ok(runsOf(consumer, marker), `${marker} runs`), { timeout: 30_000 })

t.test('a consumer frozen past its lease cannot write over the newer attempt', async (t) => {
  const frozen = await stack.consumer()
  const id = await accept(gateway, { marker: 'frozen', action: 'sleep', ms: 2_000 })
  await running(frozen, 'frozen')
  await frozen.kill('SIGSTOP')
  const other = await stack.consumer()
  // the newer attempt runs when the older one wakes up, and is still running when that one ends
  await running(other, 'frozen')
  await frozen.kill('SIGCONT')
  t.match(await settled(db, [id]), [{ state: 'succeeded', attempts: 2, effects: 1 }])
  const { rows } = await db.query('select attempt from probe_effects where job_id = $1', [id])
  t.strictSame(rows, [{ attempt: 2 }])
  const noticed = /another consumer took a job over|its lease was lost/
  await eventually(() =>
    assert.ok(
      frozen.lines.some((line) => noticed.test(line)),
      'the frozen consumer noticed'
    )
  )
  await Promise.all([frozen.kill('SIGTERM'), other.kill('SIGTERM')])
})

t.test('a job longer than many leases runs once', async (t) => {
  const consumers = await Promise.all([stack.consumer(), stack.consumer()])
  const id = await accept(gateway, { marker: 'long', action: 'sleep', ms: 20_000 })
  t.match(await settled(db, [id], 40_000), [{ state: 'succeeded', attempts: 1, effects: 1 }])
  t.equal(
    consumers.reduce((sum, consumer) => sum + runsOf(consumer, 'long'), 0),
    1
  )
  await Promise.all(consumers.map((consumer) => consumer.kill('SIGTERM')))
})

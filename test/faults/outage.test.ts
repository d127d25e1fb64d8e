/** Postgres is away for longer than a lease, and than any deadline: running jobs lose nothing (design rules 5, 6, 7). */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, settled, startFaultStack } from '../helpers/fault-stack.js'

const stack = await startFaultStack(t)
const { db, postgres } = stack
const gateway = await stack.gateway()
await stack.consumer()

t.test('an outage longer than a lease costs a running job nothing: neither its attempt nor its company', async (t) => {
  const ids = await Promise.all(
    [0, 1, 2].map((n) => accept(gateway, { marker: `long-${n}`, action: 'sleep', ms: 16_000 }))
  )
  await eventually(async () => assert.equal((await db.query(`select 1 from jobs where state = 'active'`)).rowCount, 3))
  await sleep(1_500)
  await postgres.kill()
  await sleep(8_000)
  await postgres.start()
  const jobs = await settled(db, ids)
  t.strictSame(
    jobs.map(({ state, attempts }) => ({ state, attempts })),
    ids.map(() => ({ state: 'succeeded', attempts: 1 }))
  )
  t.equal((await db.query('select 1 from jobs where suspect')).rowCount, 0)
})

t.test('work that ends while Postgres is away for longer than any deadline is written when it is back', async (t) => {
  const id = await accept(gateway, { marker: 'ends-in-the-dark', action: 'sleep', ms: 4_000 })
  await eventually(async () => assert.equal((await db.query(`select 1 from jobs where state = 'active'`)).rowCount, 1))
  await db.query(`update jobs set max_attempts = 1 where id = $1`, [id])
  await sleep(1_500)
  await postgres.kill()
  await sleep(14_000)
  await postgres.start()
  t.match(await settled(db, [id]), [{ state: 'succeeded', attempts: 1, effects: 1 }])
})

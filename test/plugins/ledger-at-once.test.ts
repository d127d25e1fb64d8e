/** Jobs that are only stored, claimed and finished in one transaction. */
import type { QueryConfig } from 'pg'
import t, { type Test } from 'tap'
import { createLedger } from '../helpers/ledger-app.js'
import { startPostgres } from '../helpers/services.js'

const postgres = await startPostgres(t)

/** A ledger whose jobs leave a row each in a table without any lock of its own. */
async function create(t: Test, { instead = (_ids: string[]): QueryConfig | undefined => undefined } = {}) {
  const made = await createLedger(t, postgres)
  const { ledger, sql, pushed, accept } = made
  await sql('drop table if exists effects')
  await sql('create table effects (job_id uuid not null)')
  await sql('grant select, insert on effects to beeline_app')
  ledger.storeWith('short', (jobs) => {
    const ids = jobs.map(({ id }) => id)
    return instead(ids) ?? { text: 'insert into effects select unnest($1::uuid[])', values: [ids] }
  })
  const ended: string[] = []
  ledger.onEnd((ids) => ended.push(...ids))
  return {
    ...made,
    ended,
    effects: async () => (await sql<{ job_id: string }>('select job_id from effects')).map(({ job_id }) => job_id),
    /** Accepts a job and stores it, in the delivery that carries it. */
    deliver: async () => {
      const { id } = await accept()
      return pushed.find(({ ids }) => ids.includes(id)) ?? { queue: '', id: '', ids: [] }
    },
    store: (delivery: { queue: string; id: string; ids: string[] }, { fits = true } = {}) =>
      ledger.storeAtOnce({
        ...delivery,
        resultOf: () => (fits ? { value: { kept: 'é' } } : undefined)
      })
  }
}

t.test('rule 4: what is only stored is claimed, stored and finished in one commit, and told', async (t) => {
  const { deliver, store, read, effects, ended } = await create(t)
  const delivery = await deliver()
  const [id = ''] = delivery.ids
  t.equal(await store(delivery), 1)
  const row = await read(id)
  t.match(row, { state: 'succeeded', attempts: 1, version: 2, progress: 100, result: { kept: 'é' }, lease_token: null })
  t.ok(row.started_at && row.finished_at && row.finished_at >= row.started_at)
  t.strictSame(await effects(), [id])
  t.strictSame(ended, [id])
  t.equal(await store(delivery), 0, 'a delivery that comes out twice finds nothing to do')
  t.strictSame(await effects(), [id])
})

t.test('rule 3: only what is queued, due, not expired, tried by nobody, and carried by this delivery', async (t) => {
  const { deliver, store, read, change, effects } = await create(t)
  for (const what of [
    "state = 'active'",
    "state = 'succeeded'",
    "state = 'cancelled'",
    "state = 'dead'",
    "state = 'expired'",
    "run_at = now() + interval '1 minute'",
    "expires_at = now() - interval '1 second'",
    'attempts = 1',
    'suspect = true',
    "delivery_id = '01940000-0000-7000-8000-000000000000'"
  ]) {
    const delivery = await deliver()
    const [id = ''] = delivery.ids
    await change(id, what)
    const before = await read(id)
    t.equal(await store(delivery), 0, what)
    t.strictSame(await read(id), before, what)
  }
  t.strictSame(await effects(), [])
})

t.test('rule 4: a job without a result goes the usual way', async (t) => {
  const { deliver, store, read, effects } = await create(t)
  const delivery = await deliver()
  const [id = ''] = delivery.ids
  t.equal(await store(delivery, { fits: false }), 0)
  t.match(await read(id), { state: 'queued', attempts: 0, delivery_id: delivery.id, version: 1 })
  t.strictSame(await effects(), [])
})

const refuse = () => {
  throw new Error('not made')
}
/** Each with what its delivery is told. */
const FAULTS: [what: string, instead: () => QueryConfig, reason: object][] = [
  ['cannot be made', refuse, { message: 'not made' }],
  ['Postgres refuses', () => ({ text: 'select 1 / 0' }), { code: '22012' }],
  ['cannot be sent', () => ({ text: 'select $1', values: [{ n: 1n }] }), { name: 'TypeError' }]
]

for (const [what, fault, reason] of FAULTS) {
  t.test(
    `rule 5: a statement that ${what} leaves its own delivery as it was, and no other of its commit`,
    async (t) => {
      const bad: string[] = []
      const { deliver, store, read, effects } = await create(t, {
        instead: (ids) => (ids.some((id) => bad.includes(id)) ? fault() : undefined)
      })
      const deliveries = [await deliver(), await deliver(), await deliver(), await deliver()]
      const ids = deliveries.flatMap(({ ids }) => ids)
      bad.push(ids[2] ?? '')
      const outcomes = await Promise.allSettled(deliveries.map((delivery) => store(delivery)))
      t.strictSame(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'rejected', 'fulfilled']
      )
      t.match(outcomes[2], { reason })
      t.match(await read(ids[2] ?? ''), { state: 'queued', attempts: 0, version: 1 })
      t.strictSame(
        (await effects()).sort(),
        ids.filter((id) => !bad.includes(id)).sort(),
        'no effect of the failed one'
      )
    }
  )
}

t.test('rule 5: what was given up, and committed by Postgres all the same, has its effect once', async (t) => {
  // neither is too slow for Postgres, both together are for who waits
  const { ledger, sql, deliver, store, claim, read, effects } = await create(t, {
    instead: (ids) => ({
      text: 'insert into effects select id from unnest($1::uuid[]) as id, pg_sleep(3)',
      values: [ids]
    })
  })
  await sql(
    `create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(3); return null; end $$`
  )
  await sql(`create constraint trigger slow_commit after insert on effects deferrable initially deferred
             for each row execute function dawdle()`)
  t.teardown(() => sql('drop function dawdle cascade'))
  const stored = await deliver()
  const [job] = await claim((await deliver()).ids)
  if (!job) throw new Error('not claimed')
  const told = await Promise.all([store(stored), ledger.finish({ job, outcome: 'done', result: null })])
  t.strictSame(told, [0, false], 'it was given up, and found done when it was tried again')
  const ids = [...stored.ids, job.id]
  for (const id of ids) t.match(await read(id), { state: 'succeeded', attempts: 1 })
  t.strictSame((await effects()).sort(), ids.sort())
})

t.test('a cancel that comes while a job is being stored is either first or too late', async (t) => {
  const { ledger, deliver, store, read, effects } = await create(t)
  for (let i = 0; i < 20; i++) {
    const delivery = await deliver()
    const [id = ''] = delivery.ids
    const [stored, cancelled] = await Promise.all([store(delivery), ledger.cancel(id)])
    t.equal(stored === 1, !cancelled)
    t.equal((await read(id)).state, cancelled ? 'cancelled' : 'succeeded')
    t.equal((await effects()).includes(id), !cancelled)
  }
})

t.test('a cancel that waits too long for a job that is being stored asks for patience', async (t) => {
  const { app, ledger, deliver, read } = await create(t)
  const {
    ids: [id = '']
  } = await deliver()
  const storing = await app.pg.connect()
  await storing.query('begin')
  await storing.query('select from jobs where id = $1 for update', [id])
  await t.rejects(ledger.cancel(id), { statusCode: 503, code: 'JOB_BUSY', retryAfter: 1 })
  await storing.query('rollback')
  storing.release()
  t.equal(await ledger.cancel(id), true)
  t.match(await read(id), { state: 'cancelled' })
})

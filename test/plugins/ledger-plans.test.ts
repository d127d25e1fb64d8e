/** Plans of the ledger's statements, made while its tables were small and kept ever after: they must go by index for good. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import t, { type Test } from 'tap'
import { expireJobs, findUndelivered } from '../../plugins/ledger/queries/relay.js'
import { createLedger } from '../helpers/ledger-app.js'
import { startPostgres } from '../helpers/services.js'

const ROWS = 20_000
const postgres = await startPostgres(t)

t.test('a ledger that has grown reads no more rows for a job than a small one', async (t) => {
  const { app, ledger, sql, pushed, accept, claim } = await createLedger(t, postgres)
  const work = async () => {
    const ids = (await Promise.all(Array.from({ length: 6 }, () => accept()))).map(({ id }) => id)
    const [done, failed, released, ...rest] = await claim(ids)
    if (!done || !failed || !released) throw new Error('not claimed')
    await ledger.renew(rest.map(({ id, token }) => ({ id, token, progress: 1 })))
    await Promise.all([
      ledger.finish({ job: done, outcome: 'done', result: null }),
      ledger.finish({ job: failed, outcome: 'gave_up', error: { code: 'ODD', detail: 'odd' } }),
      ledger.finish({ job: released, outcome: 'released', delayMs: 60_000 }),
      ...rest.map((job) => ledger.finish({ job, outcome: 'done', result: null }))
    ])
    await Promise.all(Array.from({ length: 3 }, () => accept()))
    const resultOf = () => ({ value: null })
    for (const delivery of pushed.splice(0)) await ledger.storeAtOnce({ ...delivery, resultOf })
  }
  for (let n = 0; n < 8; n++) await work() // Postgres keeps a plan from the sixth call on
  await sql(
    `insert into jobs (id, type, queue, payload, schema_version, state, max_attempts, timeout_ms, submitter)
     select gen_random_uuid(), 'short', 'work', '{}', 1, case when n % 2 = 0 then 'succeeded' else 'active' end, 2, 1000, 'ip:b'
       from generate_series(1, $1) as n`,
    [ROWS]
  )
  await sql('select pg_stat_reset()')
  for (let n = 0; n < 10; n++) await work()
  await app.close() // a connection that idles keeps its counts for itself for a while
  const read = await untilStill(async () => {
    const [counted] = await sql<{ read: number }>(
      `select (seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'jobs'))::int as read
         from pg_stat_user_tables where relname = 'jobs'`
    )
    return counted?.read ?? 0
  })
  t.ok(read > 90, 'they were counted')
  t.ok(read < ROWS / 4, `${read} rows were read for 90 jobs`)
})

t.test('the relay reads what it brings, suspects and the others, and none of the rows that wait behind', async (t) => {
  const { app, sql } = await createLedger(t, postgres)
  const insert = (queue: string, suspect: boolean, dueSince: string) =>
    sql(
      `insert into jobs (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, run_at, suspect)
       select gen_random_uuid(), 'short', $1, '{}', 1, 2, 1000, 'ip:a', now() - $2::interval, $3
         from generate_series(1, 3000)`,
      [queue, dueSince, suspect]
    )
  await Promise.all([insert('calm', false, '1 min'), insert('mixed', false, '1 min'), insert('mixed', true, '2 min')])
  await sql('analyze jobs')
  const watched = await watchReads(t, app)
  /** How many rows are found, and how many are read for it. */
  const find = (queue: string, suspect: boolean) =>
    watched(async (client) => (await findUndelivered(client, queue, { suspect, limit: 10 })).length)
  t.strictSame(await find('calm', true), [0, 0])
  t.strictSame(await find('calm', false), [10, 10])
  t.strictSame(await find('mixed', true), [10, 10])
  t.strictSame(await find('mixed', false), [10, 10])
})

t.test('what has expired is found without reading all that waits, whatever Postgres thinks of the table', async (t) => {
  const { app, sql } = await createLedger(t, postgres)
  const insert = (state: string) =>
    sql(
      `insert into jobs (id, type, queue, payload, schema_version, state, max_attempts, timeout_ms, submitter)
       select gen_random_uuid(), 'short', 'work', '{}', 1, $1, 2, 1000, 'ip:a' from generate_series(1, 3000)`,
      [state]
    )
  await insert('succeeded')
  await sql('analyze jobs')
  await insert('queued')
  const watched = await watchReads(t, app)
  t.strictSame(await watched(expireJobs), [undefined, 0])
})

/** Counts the rows of jobs that a reading takes: answers what it answers, and how many. */
async function watchReads(t: Test, app: FastifyInstance) {
  const client = await app.pg.connect()
  t.teardown(() => client.release())
  const countRead = async () => {
    const { rows } = await client.query<{ read: number }>(
      `select (seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_user_tables where relname = 'jobs'`
    )
    return rows[0]?.read ?? 0
  }
  return async <Found>(read: (client: PoolClient) => Promise<Found>): Promise<[found: Found, read: number]> => {
    await client.query('begin') // what it reads stays countable until it ends
    const before = await countRead()
    const found = await read(client)
    const taken = (await countRead()) - before
    await client.query('commit')
    return [found, taken]
  }
}

/** What the connections counted arrives when they have ended. */
async function untilStill(count: () => Promise<number>): Promise<number> {
  let before = -1
  for (let now = await count(); now !== before || now === 0; now = await count()) {
    before = now
    await sleep(500)
  }
  return before
}

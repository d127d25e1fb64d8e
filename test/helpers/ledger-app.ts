/** The ledger without the services around it, for tests of its rules one by one. */
import type { Test } from 'tap'
import Type from 'typebox'
import database from '#plugins/database'
import idempotency from '#plugins/idempotency'
import ledger from '#plugins/ledger'
import { defineJob } from '#schema/job'
import { buildRegistry } from '#schema/registry'
import { createApp } from './app.js'
import type { PostgresService } from './services.js'
import { connect } from './stack.js'

const job = (batch: number, queue = 'work') =>
  defineJob({
    title: 'Work',
    queue,
    version: 1,
    payload: Type.Object({}, { additionalProperties: false }),
    result: Type.Null(),
    limits: { maxAttempts: 2, timeoutMs: 1_000, batch, concurrency: 1 }
  })
/** Job types whose deliveries hold three jobs and one; and one in a queue of its own, which comes first. */
export const registry = buildRegistry({ forms: {}, jobs: { other: job(1, 'other'), short: job(3), long: job(1) } })

export interface LedgerSettings {
  /** Whether Redis answers. Default true. */
  ready?: boolean
  /** Whether Redis still holds what was pushed. Default true. */
  living?: boolean
  openPerOwner?: number
  openInAll?: number
  watchLoad?: boolean
}

/** The plugin on an empty ledger of a real Postgres, and a queue that notes what is pushed. */
export async function createLedger(
  t: Test,
  postgres: PostgresService,
  { ready = true, living = true, ...limits }: LedgerSettings = {}
) {
  const sql = connect(t, postgres.ownerUrl)
  await sql('truncate jobs, job_attempts, accept_counts, idempotency_keys cascade')
  const pushed: { queue: string; id: string; ids: string[] }[] = []
  const app = createApp(t)
  app.register(database, { url: postgres.url, onUnfit: (error) => t.fail(error) })
  app.register(idempotency, {})
  app.decorate('queue', {
    isReady: () => ready,
    push: async (queue: string, deliveries: { id: string; ids: string[] }[]) =>
      void pushed.push(...deliveries.map((one) => ({ queue, ...one }))),
    countWaiting: async () => 0,
    findLiving: async (_queue: string, ids: string[]) => new Set(living ? ids : []),
    onLoss: () => {}
  } as never) // only what the ledger asks of the queue
  app.register(ledger, { registry, ...limits })
  await app.ready()
  const accept = (type = 'short', submitter = 'ip:a') => app.ledger.accept({ type, payload: {}, submitter })
  /** Claims jobs in the deliveries that carry them. */
  const claim = async (ids: string[]) => {
    const carried = await sql<{ id: string; ids: string[] }>(
      'select delivery_id as id, array_agg(id::text) as ids from jobs where id = any($1) group by delivery_id',
      [ids]
    )
    return (await Promise.all(carried.map((delivery) => app.ledger.claim(delivery)))).flat()
  }
  const read = async (id: string) => (await sql('select * from jobs where id = $1', [id]))[0] ?? {}
  const change = (id: string, what: string) => sql(`update jobs set ${what} where id = $1`, [id])
  const attempts = (id: string) =>
    sql('select attempt, outcome from job_attempts where job_id = $1 order by attempt', [id])
  return { app, ledger: app.ledger, sql, pushed, accept, claim, read, change, attempts }
}

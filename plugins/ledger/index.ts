/** The ledger: every accepted job, its state, attempts and result. The truth; Redis only carries ids (design.md §4). */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Registry } from '#schema/registry'
import { createAccept, type NewJob } from './accept.js'
import { createClaim } from './claim.js'
import { createFinish, type Ending, type Store } from './finish.js'
import { createLoad } from './load.js'
import { type ClaimedJob, type Lease, type LostLease, renewLeases } from './queries/attempts.js'
import { findJob, findJobStatus, type JobRow } from './queries/read.js'
import { createRelay } from './relay.js'

export interface LedgerOptions {
  registry: Registry
  /** Unfinished jobs that one owner or address may have. Default 1000. */
  openPerOwner?: number
  /** Unfinished jobs in all. Default 100,000. */
  openInAll?: number
  /** Count what is open, so that `accept` can refuse; who only runs jobs does without. Default false. */
  watchLoad?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    ledger: {
      /**
       * Commits a job and answers its id; the delivery follows by itself.
       * @throws as `GroupCommit`, problem 429 `TOO_MANY_OPEN_JOBS`, 503 `QUEUE_FULL`, 422 for a reused key
       */
      accept: (
        job: NewJob,
        key?: ReturnType<FastifyInstance['idempotency']['readKey']>
      ) => Promise<{ id: string; replayed: boolean }>
      /** A job with all that its owner may see. */
      find: (id: string) => Promise<JobRow | undefined>
      /** State and times of a form's job, if the form has it. */
      findStatus: (form: string, id: string) => ReturnType<typeof findJobStatus>
      /** Takes those of a delivery that may run now, attempt counted and leased. */
      claim: (delivery: { id: string; ids: string[] }) => Promise<ClaimedJob[]>
      /** Ends an attempt, with `store` of the job's type in the same transaction; false when the lease was lost before. */
      finish: (ending: Ending) => Promise<boolean>
      /** Names the writer of a type's effects. */
      storeWith: (type: string, store: Store) => void
      /** Renews leases and notes progress; answers those that are lost. */
      renew: (leases: Lease[]) => Promise<LostLease[]>
      relay: ReturnType<typeof createRelay>
    }
  }
}

async function ledger(app: FastifyInstance, options: LedgerOptions) {
  const { registry, openPerOwner = 1_000, openInAll = 100_000, watchLoad = false } = options
  const queues = [...new Set([...registry.jobs.values()].map(({ queue }) => queue))]
  const load = createLoad({ app, queues, openPerOwner, openInAll })
  const relay = createRelay({ app, registry, queues })
  const { finish, storeWith } = createFinish(app)

  app.decorate('ledger', {
    accept: createAccept({ app, registry, load, process: randomUUID() }),
    find: (id) => findJob(app.pg, id),
    findStatus: (form, id) => findJobStatus(app.pg, form, id),
    claim: createClaim(app),
    finish,
    storeWith,
    renew: (leases) => renewLeases(app.pg, leases),
    relay
  })
  if (watchLoad) app.addHook('onReady', async () => load.watch())
  app.addHook('onClose', async () => {
    load.stop()
    await relay.stop()
  })
}

export default fp(ledger, {
  name: 'ledger',
  fastify: '5.x',
  decorators: { fastify: ['pg', 'groupCommit', 'idempotency', 'queue'] }
})

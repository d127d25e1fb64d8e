/** The ledger: every accepted job, its state, attempts and result. The truth; Redis only carries ids (design.md §4). */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Registry } from '#schema/registry'
import { type Accepted, type BatchJob, createAccept, type NewJob } from './accept.js'
import { type AtOnce, createStoreAtOnce } from './at-once.js'
import { createClaim } from './claim.js'
import { createFinish, type EffectsOf, type Ending, type Store } from './finish.js'
import { createLoad } from './load.js'
import type { ClaimedJob } from './queries/attempts.js'
import { type Counts, countJobs, findQueueAges, type QueueAge } from './queries/balance.js'
import { type Lease, type LostLease, renewLeases } from './queries/leases.js'
import { type JobFilter, type JobPage, listJobs } from './queries/list.js'
import {
  type AttemptRow,
  type End,
  findAttempts,
  findBatch,
  findEnds,
  findJobStatus,
  findJobs,
  findProgress,
  type JobRow,
  type Progress
} from './queries/read.js'
import { cancelJob, type DeadFilter, type DeadJob, findReplayable, forgetResult } from './queries/repair.js'
import { createRelay } from './relay.js'

export type { Accepted, End, JobFilter, JobRow, NewJob, Progress }

type IdempotencyKey = ReturnType<FastifyInstance['idempotency']['readKey']>

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
       * @throws as `GroupCommit`, problem 422 `BATCH_TOO_LARGE`, 429 `TOO_MANY_OPEN_JOBS`, 503 `QUEUE_FULL`, 422 for a reused key
       */
      accept: (job: NewJob, key?: IdempotencyKey) => Promise<Accepted>
      /** Commits jobs of one submitter together, all or none, and answers the batch's id. @throws as `accept` */
      acceptBatch: (submitter: string, jobs: BatchJob[], key?: IdempotencyKey) => Promise<Accepted>
      /** A job with all that its owner may see. */
      find: (id: string) => Promise<JobRow | undefined>
      /** How far a job is; cheap for many that ask at once. */
      findProgress: (id: string) => Promise<Progress | undefined>
      /** The same with its result, and nothing else of what it carries. */
      findEnd: (id: string) => Promise<End | undefined>
      /** A batch's jobs, in the order in which they were sent. */
      findBatch: (batchId: string) => ReturnType<typeof findBatch>
      /** A job's attempts that did not succeed. */
      findAttempts: (id: string) => Promise<AttemptRow[]>
      /** A page of jobs, newest first. */
      list: (filter: JobFilter, limit: number) => Promise<JobPage>
      /** Ends a job that is not finished; answers whether it was so. */
      cancel: (id: string) => Promise<boolean>
      /** Takes a result away. */
      forgetResult: (id: string) => Promise<void>
      /** Dead jobs that fit and were not repeated yet, behind `after`, oldest first; `matching` counts those beyond the limit, too. */
      findReplayable: (filter: DeadFilter, limit: number) => Promise<{ matching: number; jobs: DeadJob[] }>
      /** What was accepted, and what the ledger says. */
      count: () => Promise<Counts>
      findQueueAges: () => Promise<QueueAge[]>
      /** Calls back with the ids of jobs whose attempt or life was ended by this process, after the commit. */
      onEnd: (listener: (ids: string[]) => void) => void
      /** State and times of a form's job, if the form has it; with an owner only if it is theirs or nobody's. */
      findStatus: (form: string, asked: { id: string; ownerId?: string }) => ReturnType<typeof findJobStatus>
      /** Takes those of a delivery that may run now, attempt counted and leased. */
      claim: (delivery: { id: string; ids: string[] }) => Promise<ClaimedJob[]>
      /**
       * Claims, stores and finishes those of a delivery that have a result at once, and answers their number; the others stay
       * queued. @throws as `GroupCommit`, or what `Store` threw: nothing was written
       */
      storeAtOnce: (delivery: AtOnce) => Promise<number>
      /** Ends an attempt and writes its effects, in one transaction; false when the lease was lost before. */
      finish: (ending: Ending) => Promise<boolean>
      /** Says what writes a type's effects. */
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
  const listeners: ((ids: string[]) => void)[] = []
  const tellEnd = (ids: string[]) => {
    for (const listener of listeners) listener(ids)
  }
  const stores = new Map<string, Store>()
  const effectsOf: EffectsOf = (type, done) => {
    const store = stores.get(type)
    const jobs = done.map(({ job }) => job)
    const results = done.map(({ result }) => result)
    return store && done.length ? [store(jobs, results)] : []
  }
  const endings = { app, effectsOf, tellEnd }

  app.decorate('ledger', {
    ...createAccept({ app, registry, load, process: randomUUID() }),
    find: app.groupRead(findJobs),
    findProgress: app.groupRead(findProgress),
    findEnd: app.groupRead(findEnds),
    findBatch: (batchId) => findBatch(app.pg, batchId),
    findAttempts: (id) => findAttempts(app.pg, id),
    list: (filter, limit) => listJobs(app.pg, filter, limit),
    cancel: async (id) => {
      const cancelled = await cancelJob(app.pg, id)
      if (cancelled) tellEnd([id])
      return cancelled
    },
    forgetResult: (id) => forgetResult(app.pg, id),
    findReplayable: (filter, limit) => findReplayable(app.pg, filter, limit),
    count: () => countJobs(app.pg),
    findQueueAges: () => findQueueAges(app.pg),
    onEnd: (listener) => void listeners.push(listener),
    findStatus: (form, asked) => findJobStatus(app.pg, form, asked),
    claim: createClaim(app),
    storeAtOnce: createStoreAtOnce(endings),
    finish: createFinish(endings),
    storeWith: (type, store) => void stores.set(type, store),
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
  decorators: { fastify: ['pg', 'isOutage', 'groupCommit', 'groupRead', 'idempotency', 'queue'] }
})

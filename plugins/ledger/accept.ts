/** Accept (design rule 1): one commit, then the answer; the delivery afterwards, which no request awaits. */
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import { uuidv7 } from 'uuidv7'
import type { Registry } from '#schema/registry'
import { createDispatch, type Deliveries, type Dispatched } from './dispatch.js'
import type { Load } from './load.js'
import { insertJobs } from './queries/accept.js'

export interface NewJob {
  type: string
  /** Checked by the type's schema before. */
  payload: unknown
  /** Whose limit it counts against: an owner's id, or a keyed hash of an anonymous address. */
  submitter: string
  /** The user who sends it, when that is known. */
  ownerId?: string | null
  /** Id of the request that brings it. */
  trace?: string
  /** Id made before, by who waits for the job's end. Default: a new one. */
  id?: string
  /** Not before this time. Default: at once. */
  runAt?: Date
  /** After this time it is not begun any more. */
  expiresAt?: Date
  /** Time for one attempt, in ms. Default: that of its type. */
  timeoutMs?: number
  /** How many wait here for the end of their jobs, if its sender does: those share commits, about half of them at a time. */
  awaited?: number
  /** The job that it repeats; a job can be repeated once. */
  replayOf?: string
}

/** One of a batch. */
export interface BatchJob extends NewJob {
  /** Place of its payload in the request, from 0. */
  item: number
}

export interface Accepted {
  /** Of the job or batch; another's when the key was used before. */
  id: string
  replayed: boolean
}

type IdempotencyKey = ReturnType<FastifyInstance['idempotency']['readKey']>

interface Row extends Dispatched {
  /** The row as the statement wants it, turned into JSON once. */
  json: string
}

/** What is stored whole or not at all, under one key: a job, or a batch of them. */
interface Item {
  id: string
  key: IdempotencyKey
  rows: Row[]
}

export interface AcceptOptions {
  app: FastifyInstance
  registry: Registry
  load: Load
  /** Id of this process, under which its accepted jobs are counted. */
  process: string
}

/**
 * Time that a job whose end is awaited waits for others of its kind, in ms. It goes the same way as they do, and on that way each
 * group costs more than each job.
 */
const PATIENCE_MS = 2

export function createAccept({ app, registry, load, process }: AcceptOptions) {
  const dispatch = createDispatch({ app, typeOf, load })
  const createCommit = (kind: 'job' | 'batch', options: object) =>
    app.groupCommit({
      ...options,
      sizeOf: ({ rows }: Item) => rows.reduce((sum, { json }) => sum + Buffer.byteLength(json), 0),
      write: async (client, items) => {
        const outgoing: Deliveries[] = []
        const insert = async (tx: PoolClient, taken: Item[]) => {
          const rows = taken.flatMap((item) => item.rows)
          const deliveries = dispatch.plan(rows)
          const inserted = await insertJobs(tx, { rows, deliveryOf: deliveries.byRow, process })
          // some were there already, from a commit that was not confirmed: the relay brings those and the others
          if (inserted === rows.length) outgoing.push(deliveries)
        }
        const outcomes = await app.idempotency.insertOnce(client, kind, items, insert)
        for (const deliveries of outgoing) dispatch.send(deliveries)
        return outcomes
      }
    })
  let awaited = 0
  const commitJob = createCommit('job', {})
  const commitAwaited = createCommit('job', {
    gather: { enough: () => Math.ceil(awaited / 2), patienceMs: PATIENCE_MS }
  })
  const commitBatch = createCommit('batch', { maxItems: 10, maxWaiting: 100, maxWaitingBytes: 64_000_000 })

  function typeOf(name: string) {
    const type = registry.jobs.get(name)
    if (!type) throw new TypeError(`no job type ${name}`)
    return type
  }

  function toRow(job: NewJob, id: string, batch?: { id: string; item: number }): Row {
    const { type, payload, submitter, ownerId, trace, runAt, expiresAt, timeoutMs, replayOf } = job
    const { queue, version, limits } = typeOf(type)
    const json = JSON.stringify({
      id,
      type,
      queue,
      payload,
      schema_version: version,
      max_attempts: limits.maxAttempts,
      timeout_ms: timeoutMs ?? limits.timeoutMs,
      submitter,
      owner_id: ownerId ?? undefined,
      trace,
      run_at: runAt,
      expires_at: expiresAt,
      replay_of: replayOf,
      batch_id: batch?.id,
      batch_item: batch?.item
    })
    return { id, type, later: runAt !== undefined && runAt.getTime() > Date.now(), json }
  }

  /** Stores an item under its submitter's limits. */
  async function store(commit: typeof commitJob, submitter: string, item: Item): Promise<Accepted> {
    const jobs = item.rows.length
    try {
      load.admit(submitter, jobs)
    } catch (refusal) {
      // what was accepted before is answered again, however full it is
      const known = await app.idempotency.lookUp({ id: item.id, ...(item.key && { key: item.key }) })
      if (known) return app.idempotency.settle(known)
      throw refusal
    }
    const outcome = await commit(item).catch((error) => {
      load.dismiss(submitter, jobs)
      throw error
    })
    if (outcome.id !== item.id) load.dismiss(submitter, jobs)
    return app.idempotency.settle(outcome)
  }

  return {
    accept: (job: NewJob, key?: IdempotencyKey): Promise<Accepted> => {
      const { id = uuidv7() } = job
      awaited = job.awaited ?? awaited
      const commit = job.awaited === undefined ? commitJob : commitAwaited
      return store(commit, job.submitter, { id, key, rows: [toRow(job, id)] })
    },

    /** All of one submitter. */
    acceptBatch: (submitter: string, jobs: BatchJob[], key?: IdempotencyKey): Promise<Accepted> => {
      const id = uuidv7()
      const rows = jobs.map((job) => toRow(job, uuidv7(), { id, item: job.item }))
      return store(commitBatch, submitter, { id, key, rows })
    }
  }
}

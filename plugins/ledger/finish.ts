/** Finish (design rule 5): state and effect in one transaction, guarded by the lease. Finishes share their commits. */
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import { type ClaimedJob, type Job, nameOf } from './queries/attempts.js'
import { commit } from './queries/commit.js'
import { type AttemptEnding, finishFailed, finishReleased, finishSucceeded } from './queries/finish.js'
import { extendLeases } from './queries/leases.js'

/** How an attempt ended. */
export type Ending =
  | { job: ClaimedJob; outcome: 'done'; result: unknown }
  | ({ job: ClaimedJob } & AttemptEnding)
  /** Given back without an attempt counted, to run after `delayMs`. */
  | { job: ClaimedJob; outcome: 'released'; delayMs: number }

/** Writes the effects of finished jobs of one type. It may be called again after a failed commit. */
export type Store = (tx: PoolClient, jobs: Job[], results: unknown[]) => Promise<void>

export interface FinishOptions {
  app: FastifyInstance
  storeOf: (type: string) => Store | undefined
  /** Hears the ids of each commit, after it. */
  tellEnd: (ids: string[]) => void
}

export function createFinish({ app, storeOf, tellEnd }: FinishOptions): (ending: Ending) => Promise<boolean> {
  /** One a type: a store that is slow or stuck holds up its own jobs alone. */
  const groups = new Map<string, (ending: Ending) => Promise<boolean>>()

  const createGroup = (type: string) =>
    app.groupCommit({
      // work that is done is written however long Postgres is away; how much can wait is bound by what runs
      deadlineMs: Number.POSITIVE_INFINITY,
      maxWaiting: Number.POSITIVE_INFINITY,
      maxWaitingBytes: Number.POSITIVE_INFINITY,
      sizeOf: (ending: Ending) => (ending.outcome === 'done' ? (JSON.stringify(ending.result)?.length ?? 0) : 0),
      write: (client, endings) => write(client, type, endings),
      // while the rows were locked by this very transaction nobody could renew
      onRetry: (_error, endings) =>
        void extendLeases(
          app.pg,
          endings.map(({ job }) => job)
        ).catch((failed) => app.log.debug({ err: failed }, 'leases were not extended'))
    })

  async function write(client: PoolClient, type: string, endings: Ending[]): Promise<boolean[]> {
    const ofOutcome = <O extends Ending['outcome']>(...outcomes: O[]) =>
      endings.filter((ending): ending is Extract<Ending, { outcome: O }> => outcomes.some((o) => o === ending.outcome))
    const done = ofOutcome('done')
    const failed = ofOutcome('failed', 'timed_out', 'gave_up', 'schema_mismatch')
    const released = ofOutcome('released')

    const [, ...ended] = await Promise.all([
      client.query('begin'),
      done.length ? finishSucceeded(client, done) : [],
      failed.length ? finishFailed(client, failed) : [],
      released.length ? finishReleased(client, released) : []
    ])
    const ours = new Set(ended.flat().map(nameOf))
    // only what was still ours gets its effect
    const kept = done.filter(({ job }) => ours.has(nameOf(job)))
    const jobs = kept.map(({ job }) => job)
    const results = kept.map(({ result }) => result)
    if (kept.length) await storeOf(type)?.(client, jobs, results)
    await commit(client)
    tellEnd(ended.flat().map(({ id }) => id))
    return endings.map(({ job }) => ours.has(nameOf(job)))
  }

  return (ending) => {
    const { type } = ending.job
    const group = groups.get(type) ?? createGroup(type)
    groups.set(type, group)
    return group(ending)
  }
}

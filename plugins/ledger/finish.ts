/** Finish (design rule 5): state and effect in one transaction, guarded by the lease. Finishes share their commits. */
import type { FastifyInstance } from 'fastify'
import type { PoolClient, QueryConfig } from 'pg'
import { type ClaimedJob, type Job, nameOf } from './queries/attempts.js'
import { commitWith } from './queries/commit.js'
import { type AttemptEnding, finishFailed, finishReleased, finishSucceeded } from './queries/finish.js'
import { extendLeases } from './queries/leases.js'

/** How an attempt ended. */
export type Ending =
  | { job: ClaimedJob; outcome: 'done'; result: unknown }
  | ({ job: ClaimedJob } & AttemptEnding)
  /** Given back without an attempt counted, to run after `delayMs`. */
  | { job: ClaimedJob; outcome: 'released'; delayMs: number }

/** Answers the statement that writes the effects of finished jobs of one type. It may be asked again after a failed commit. */
export type Store = (jobs: DoneJob[], results: unknown[]) => QueryConfig
/** That statement for what was done; none where nothing is written. */
export type EffectsOf = (type: string, done: { job: DoneJob; result: unknown }[]) => QueryConfig[]
/** What effects are made of. */
type DoneJob = Pick<Job, 'id' | 'payload' | 'ownerId'>

export interface FinishOptions {
  app: FastifyInstance
  effectsOf: EffectsOf
  /** Hears the ids of each commit, after it. */
  tellEnd: (ids: string[]) => void
}

export function createFinish({ app, effectsOf, tellEnd }: FinishOptions): (ending: Ending) => Promise<boolean> {
  /** One a type: effects that are slow to write hold up their own jobs alone. */
  const groups = new Map<string, (ending: Ending) => Promise<boolean>>()

  const createGroup = (type: string) =>
    app.groupCommit({
      // work that is done is written however long Postgres is away; how much can wait is bound by what runs
      deadlineMs: Number.POSITIVE_INFINITY,
      maxWaiting: Number.POSITIVE_INFINITY,
      maxWaitingBytes: Number.POSITIVE_INFINITY,
      sizeOf: (ending: Ending) =>
        ending.outcome === 'done' ? Buffer.byteLength(JSON.stringify(ending.result) ?? '') : 0,
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
    await commitWith(client, effectsOf(type, kept))
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

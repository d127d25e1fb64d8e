/** Finish (design rule 5): state and effect in one transaction, guarded by the lease. Finishes share their commits. */
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import { groupBy } from '#schema/group-by'
import {
  type Attempt,
  type AttemptEnding,
  type ClaimedJob,
  finishFailed,
  finishReleased,
  finishSucceeded
} from './queries.js'

/** How an attempt ended. */
export type Ending =
  | { job: ClaimedJob; outcome: 'done'; result: unknown }
  | ({ job: ClaimedJob } & AttemptEnding)
  /** Given back without an attempt counted, to run after `delayMs`. */
  | { job: ClaimedJob; outcome: 'released'; delayMs: number }

/** Writes the effects of finished jobs of one type. It may be called again after a failed commit. */
export type Store = (tx: PoolClient, jobs: ClaimedJob[], results: unknown[]) => Promise<void>

export function createFinish(app: FastifyInstance) {
  const stores = new Map<string, Store>()

  const finish = app.groupCommit({
    sizeOf: (ending: Ending) => (ending.outcome === 'done' ? (JSON.stringify(ending.result)?.length ?? 0) : 0),
    write: async (client, endings) => {
      await client.query('begin')
      const ended = await finishAll(client, endings)
      await client.query('commit')
      return endings.map(({ job }) => ended.has(nameOf(job)))
    }
  })

  async function finishAll(client: PoolClient, endings: Ending[]): Promise<Set<string>> {
    const ofOutcome = <O extends Ending['outcome']>(...outcomes: O[]) =>
      endings.filter((ending): ending is Extract<Ending, { outcome: O }> => outcomes.some((o) => o === ending.outcome))
    const done = ofOutcome('done')
    const failed = ofOutcome('failed', 'timed_out', 'gave_up', 'schema_mismatch')
    const released = ofOutcome('released')
    const ended = new Set<string>()
    const note = (attempts: Attempt[]) => {
      for (const attempt of attempts) ended.add(nameOf(attempt))
    }

    if (done.length) note(await finishSucceeded(client, done))
    // only what was still ours gets its effect
    for (const [type, own] of groupBy(
      done.filter(({ job }) => ended.has(nameOf(job))),
      ({ job }) => job.type
    )) {
      await stores.get(type)?.(
        client,
        own.map(({ job }) => job),
        own.map(({ result }) => result)
      )
    }
    if (failed.length) note(await finishFailed(client, failed))
    if (released.length) note(await finishReleased(client, released))
    return ended
  }

  return { finish, storeWith: (type: string, store: Store) => void stores.set(type, store) }
}

/** By attempt, not by job: of two attempts that end together, one of which lost its lease, only the other has its effect. */
const nameOf = ({ id, token }: Attempt) => `${id} ${token}`

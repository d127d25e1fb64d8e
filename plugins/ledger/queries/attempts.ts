/**
 * What the SQL of an attempt's life shares: claim, renewal, finish. Times are the database's clock. None of these statements joins:
 * rows are found by `id = any(…)` alone and what belongs to each comes as one JSON object, for a join's plan, made while the table
 * was small, may go through the whole table ever after.
 */
import { objectById } from './id-text.js'
import { IS_ACTIVE } from './states.js'

/** A job as who runs it sees it. */
export interface Job {
  id: string
  /** The delivery that brought it. */
  deliveryId: string
  type: string
  payload: unknown
  schemaVersion: number
  /** With the one that is under way. */
  attempts: number
  maxAttempts: number
  timeoutMs: number
  trace: string | null
  ownerId: string | null
}

export interface ClaimedJob extends Job {
  token: string
}

/** One attempt of a job: the token is its lease's. */
export type Attempt = Pick<ClaimedJob, 'id' | 'token'>

/** By attempt, not by job: two attempts of a job may end together, one of which lost its lease. */
export const nameOf = ({ id, token }: Attempt) => `${id} ${token}`
/** The same in SQL. A row keeps the token of its last attempt. */
export const ATTEMPT = `(jobs.id || ' ' || jobs.lease_token)`
/** Rows that still belong to one of the given attempts: $1 their ids, $2 an object by their names. */
export const HELD = `jobs.id = any($1::uuid[]) and $2::jsonb ? ${ATTEMPT} and ${IS_ACTIVE}`

/** Ids and the object for `HELD`. */
export function byAttempt<Item>(items: Item[], attemptOf: (item: Item) => Attempt, given: (item: Item) => unknown) {
  const object = objectById(items.map((item) => [nameOf(attemptOf(item)), given(item)]))
  return [items.map((item) => attemptOf(item).id), object]
}

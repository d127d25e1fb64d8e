/**
 * SQL of an attempt's life: claim, renewal, finish. Times are the database's clock. None of these statements joins: rows are
 * found by `id = any(…)` alone and what belongs to each comes as one JSON object, for a join's plan, made while the table was
 * small, may go through the whole table ever after.
 */
import type { Pool, PoolClient } from 'pg'
import type { JobState } from '#schema/job'
import { IS_ACTIVE, IS_QUEUED } from './states.js'

/** A lease lasts this long unless it is renewed, in seconds. */
export const LEASE_S = 6

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

export interface AttemptEnding {
  outcome: 'failed' | 'timed_out' | 'gave_up' | 'schema_mismatch'
  error: { code: string; detail: string }
  /** Pause before the next attempt, in ms; without it the job is dead at once. */
  retryInMs?: number
}

/** By attempt, not by job: two attempts of a job may end together, one of which lost its lease. */
export const nameOf = ({ id, token }: Attempt) => `${id} ${token}`
/** The same in SQL. A row keeps the token of its last attempt. */
const ATTEMPT = `(jobs.id || ' ' || jobs.lease_token)`
/** Rows that still belong to one of the given attempts: $1 their ids, $2 an object by their names. */
const HELD = `jobs.id = any($1::uuid[]) and $2::jsonb ? ${ATTEMPT} and ${IS_ACTIVE}`

/** Ids and the object for `HELD`. */
function byAttempt<Item>(items: Item[], attemptOf: (item: Item) => Attempt, given: (item: Item) => unknown) {
  const object = Object.fromEntries(items.map((item) => [nameOf(attemptOf(item)), given(item) ?? null]))
  return [items.map((item) => attemptOf(item).id), JSON.stringify(object)]
}

/**
 * Leases those that are queued, due and not expired, and that these very deliveries carry: one that was given up by the relay,
 * and comes out of Redis all the same, finds its jobs under way in another. The commit need not be on the disk: a claim that a
 * crash of Postgres forgets gives the job back, and its token keeps the forgotten attempt from writing.
 */
export async function claimJobs(
  client: PoolClient,
  { deliveries, token }: { deliveries: { id: string; ids: string[] }[]; token: string }
): Promise<ClaimedJob[]> {
  const { rows } = await client.query<ClaimedJob>({
    name: 'claim_jobs',
    text: `update jobs
              set state = 'active', attempts = attempts + 1, version = version + 1, progress = null,
                  lease_token = $3, lease_until = now() + make_interval(secs => ${LEASE_S}), started_at = now()
             from set_config('synchronous_commit', 'off', true)
            where jobs.id = any($1::uuid[]) and jobs.delivery_id = any($2::uuid[]) and ${IS_QUEUED}
              and run_at <= now()
              and (expires_at is null or expires_at > now()) and attempts < max_attempts
           returning jobs.id, jobs.delivery_id as "deliveryId", type, payload, schema_version as "schemaVersion", attempts,
                     max_attempts as "maxAttempts", timeout_ms as "timeoutMs", lease_token as token, trace,
                     owner_id as "ownerId"`,
    values: [deliveries.flatMap(({ ids }) => ids), deliveries.map(({ id }) => id), token]
  })
  return rows
}

/** Ends attempts well where the lease still holds; answers those. */
export async function finishSucceeded(
  client: PoolClient,
  endings: { job: ClaimedJob; result: unknown }[]
): Promise<Attempt[]> {
  const { rows } = await client.query<Attempt>({
    name: 'finish_succeeded',
    text: `update jobs
              set state = 'succeeded', result = nullif($2::jsonb -> ${ATTEMPT}, 'null'), error = null, progress = 100,
                  version = version + 1, lease_until = null, finished_at = now()
            where ${HELD}
           returning id, lease_token as token`,
    values: byAttempt(
      endings,
      ({ job }) => job,
      ({ result }) => result
    )
  })
  return rows
}

/** Ends attempts badly where the lease still holds: queued again while attempts are left, else dead. Answers those. */
export async function finishFailed(
  client: PoolClient,
  endings: ({ job: ClaimedJob } & AttemptEnding)[]
): Promise<Attempt[]> {
  const retryMs = `($2::jsonb -> ${ATTEMPT} ->> 'retry_ms')::float8`
  const { rows } = await client.query<Attempt>({
    name: 'finish_failed',
    text: `with ended as (
             update jobs
                set state = case when ${retryMs} is null or attempts >= max_attempts then 'dead' else 'queued' end,
                    finished_at = case when ${retryMs} is null or attempts >= max_attempts then now() end,
                    run_at = now() + make_interval(secs => coalesce(${retryMs}, 0) / 1000.0),
                    error = $2::jsonb -> ${ATTEMPT} -> 'error', version = version + 1, suspect = false, progress = null,
                    lease_until = null, delivery_id = null, delivered_at = null
              where ${HELD}
             returning id, lease_token as token, attempts, $2::jsonb -> ${ATTEMPT} ->> 'outcome' as outcome, error, started_at
           ), noted as (
             insert into job_attempts (job_id, attempt, outcome, error, started_at)
             select id, attempts, outcome, error, started_at from ended
             on conflict do nothing
           )
           select id, token from ended`,
    values: byAttempt(
      endings,
      ({ job }) => job,
      ({ outcome, error, retryInMs }) => ({ outcome, error, retry_ms: retryInMs })
    )
  })
  return rows
}

/** Gives jobs back as if they had not been claimed; answers those. */
export async function finishReleased(
  client: PoolClient,
  endings: { job: ClaimedJob; delayMs: number }[]
): Promise<Attempt[]> {
  const { rows } = await client.query<Attempt>({
    name: 'finish_released',
    text: `update jobs
              set state = 'queued', attempts = attempts - 1, version = version + 1, progress = null,
                  run_at = now() + make_interval(secs => ($2::jsonb ->> ${ATTEMPT})::float8 / 1000.0),
                  lease_until = null, delivery_id = null, delivered_at = null
            where ${HELD}
           returning id, lease_token as token`,
    values: byAttempt(
      endings,
      ({ job }) => job,
      ({ delayMs }) => delayMs
    )
  })
  return rows
}

/** Extends leases in which a finish is tried again. */
export async function extendLeases(db: Pick<Pool, 'query'>, attempts: Attempt[]): Promise<void> {
  await db.query({
    name: 'extend_leases',
    text: `update jobs set lease_until = now() + make_interval(secs => ${LEASE_S}) where ${HELD}`,
    values: byAttempt(
      attempts,
      (attempt) => attempt,
      () => null
    )
  })
}

export interface Lease extends Attempt {
  /** 0 to 100, or null while the handler says nothing. */
  progress: number | null
}

export interface LostLease extends Attempt {
  /** What the job is now; 'active' means that another consumer runs it. */
  state: JobState
}

/**
 * Renews leases, passing over rows that are just being finished, and answers those that are lost:
 * cancelled, or taken over by another attempt.
 */
export async function renewLeases(db: Pick<Pool, 'query'>, leases: Lease[]): Promise<LostLease[]> {
  const { rows } = await db.query<{ id: string; token: string | null; state: JobState }>({
    name: 'renew_leases',
    text: `with held as (
             select id from jobs where ${HELD} for update skip locked
           ), renewed as (
             update jobs
                set lease_until = now() + make_interval(secs => ${LEASE_S}),
                    version = version + (($2::jsonb ->> ${ATTEMPT})::real is distinct from progress)::int,
                    progress = ($2::jsonb ->> ${ATTEMPT})::real
              where jobs.id = any(array(select id from held))
           )
           select id, lease_token as token, state from jobs where id = any($1::uuid[])`,
    values: byAttempt(
      leases,
      (lease) => lease,
      ({ progress }) => progress
    )
  })
  const now = new Map(rows.map((row) => [row.id, row]))
  return leases.flatMap(({ id, token }) => {
    const row = now.get(id)
    return row && (row.token !== token || row.state !== 'active') ? [{ id, token, state: row.state }] : []
  })
}

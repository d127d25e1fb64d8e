/** SQL of leases. */
import type { Pool } from 'pg'
import type { JobState } from '#schema/job'
import { ATTEMPT, type Attempt, byAttempt, HELD } from './attempts.js'

/** A lease lasts this long unless it is renewed, in seconds. */
export const LEASE_S = 6

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

/** SQL for putting right: cancel a job, forget a result, find the dead jobs that can be repeated. */
import type { Pool } from 'pg'
import { isLocked } from '#schema/locked'
import { problem } from '#schema/problem'
import type { JobFilter } from './list.js'

type Queryable = Pick<Pool, 'query'>

/**
 * Ends a job that is not finished; answers whether it was so. A running one is aborted when its consumer next renews its lease.
 * @throws problem 503 `JOB_BUSY` when its effect is being written for longer than a statement waits
 */
export async function cancelJob(db: Queryable, id: string): Promise<boolean> {
  const cancelling = db.query({
    name: 'cancel_job',
    text: `update jobs
              set state = 'cancelled', finished_at = now(), version = version + 1, lease_until = null,
                  delivery_id = null, delivered_at = null
            where id = $1 and state in ('queued', 'active')`,
    values: [id]
  })
  const { rowCount } = await cancelling.catch((error: unknown) => {
    throw isLocked(error) ? busy(error) : error
  })
  return rowCount === 1
}

const busy = (cause: unknown) =>
  problem(503, 'JOB_BUSY', 'its effect is just being written; ask again soon', { retryAfter: 1, cause })

/** Takes the result away; the row stays and says when. */
export async function forgetResult(db: Queryable, id: string): Promise<void> {
  await db.query({
    name: 'forget_result',
    text: `update jobs set result = null, forgotten_at = now(), version = version + 1
            where id = $1 and state = 'succeeded' and forgotten_at is null`,
    values: [id]
  })
}

export interface DeadJob {
  id: string
  type: string
  payload: unknown
  ownerId: string | null
  timeoutMs: number
}

/** Dead jobs that fit and were not repeated yet, behind `after`, oldest first, at most `limit`; `matching` counts those beyond it, too. */
export async function findReplayable(
  db: Queryable,
  { type, ownerId, errorCode, createdFrom, createdBefore, after = FIRST }: DeadFilter,
  limit: number
): Promise<{ matching: number; jobs: DeadJob[] }> {
  const { rows } = await db.query<DeadJob & { matching: number }>({
    name: 'find_replayable',
    text: `select id, type, payload, owner_id as "ownerId", timeout_ms as "timeoutMs", (count(*) over ())::int as matching
             from jobs
            where state = 'dead' and id > $7 and ($1::text is null or type = $1) and ($2::text is null or error ->> 'code' = $2)
              and ($3::timestamptz is null or created_at >= $3) and ($4::timestamptz is null or created_at < $4)
              and ($6::uuid is null or owner_id = $6)
              and not exists (select from jobs as repeat where repeat.replay_of = jobs.id)
            order by id limit $5`,
    values: [type ?? null, errorCode ?? null, createdFrom ?? null, createdBefore ?? null, limit, ownerId ?? null, after]
  })
  return { matching: rows[0]?.matching ?? 0, jobs: rows }
}

/** Before all ids that are made. */
const FIRST = '00000000-0000-0000-0000-000000000000'

export interface DeadFilter
  extends Pick<JobFilter, 'type' | 'ownerId' | 'errorCode' | 'createdFrom' | 'createdBefore'> {
  /** Only those whose id is greater: where a page begins. */
  after?: string
}

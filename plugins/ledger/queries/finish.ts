/** SQL of an attempt's end, where its lease still holds. */
import type { PoolClient } from 'pg'
import { ATTEMPT, type Attempt, byAttempt, type ClaimedJob, HELD } from './attempts.js'

export interface AttemptEnding {
  outcome: 'failed' | 'timed_out' | 'gave_up' | 'schema_mismatch'
  error: { code: string; detail: string }
  /** Pause before the next attempt, in ms; without it the job is dead at once. */
  retryInMs?: number
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

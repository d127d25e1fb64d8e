/** All SQL on jobs, job_attempts and accept_counts. Times are the database's clock. */
import type { Pool, PoolClient } from 'pg'
import type { Job, JobState, JobStatus } from '#schema/job'

type Queryable = Pick<Pool | PoolClient, 'query'>

/**
 * States in statements that look rows up by id. The other collation keeps the planner from the partial indexes on state, which it
 * may find small once and go through whole, for each id, ever after.
 */
const IS_QUEUED = `jobs.state collate "C" = 'queued'`
const IS_ACTIVE = `jobs.state collate "C" = 'active'`

/** A lease lasts this long unless it is renewed, in seconds. */
export const LEASE_S = 6

export interface ClaimedJob {
  id: string
  /** The delivery that brought it. */
  deliveryId: string
  type: string
  payload: unknown
  schemaVersion: number
  attempts: number
  maxAttempts: number
  timeoutMs: number
  token: string
  trace: string | null
  ownerId: string | null
}

/** One attempt of a job: the token is its lease's. */
export type Attempt = Pick<ClaimedJob, 'id' | 'token'>

export interface AttemptEnding {
  outcome: 'failed' | 'timed_out' | 'gave_up' | 'schema_mismatch'
  error: { code: string; detail: string }
  /** Pause before the next attempt, in ms; without it the job is dead at once. */
  retryInMs?: number
}

interface InsertJobs {
  rows: { id: string; json: string }[]
  /** Delivery that carries a job; a job without one is the relay's. */
  deliveryOf: Map<string, string>
  process: string
}

/** Inserts jobs and counts them for the balance; answers the ids that were not there before. */
export async function insertJobs(client: PoolClient, { rows, deliveryOf, process }: InsertJobs): Promise<Set<string>> {
  const result = await client.query<{ id: string }>({
    name: 'accept_jobs',
    text: `with accepted as (
             insert into jobs (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, owner_id, trace,
                               delivery_id, delivered_at)
             select id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, owner_id, trace,
                    delivery_id, case when delivery_id is not null then now() end
               from rows from (
                      json_to_recordset($1::json) as (
                        id uuid, type text, queue text, payload jsonb, schema_version integer, max_attempts integer,
                        timeout_ms integer, submitter text, owner_id uuid, trace text),
                      unnest($2::uuid[])
                    ) as given (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, owner_id, trace,
                                delivery_id)
             on conflict (id) do nothing
             returning id
           ), counted as (
             insert into accept_counts (process, jobs)
             select $3::uuid, count(*) from accepted having count(*) > 0
             on conflict (process) do update set jobs = accept_counts.jobs + excluded.jobs, updated_at = now()
           )
           select id from accepted`,
    values: [`[${rows.map(({ json }) => json).join()}]`, rows.map(({ id }) => deliveryOf.get(id) ?? null), process]
  })
  return new Set(result.rows.map(({ id }) => id))
}

/**
 * Leases those that are queued, due and not expired, and that this very delivery carries: one that was given up by the relay,
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
             from unnest($1::uuid[], $2::uuid[]) as given (id, delivery_id), set_config('synchronous_commit', 'off', true)
            where jobs.id = given.id and jobs.delivery_id = given.delivery_id and ${IS_QUEUED}
              and run_at <= now()
              and (expires_at is null or expires_at > now()) and attempts < max_attempts
           returning jobs.id, jobs.delivery_id as "deliveryId", type, payload, schema_version as "schemaVersion", attempts,
                     max_attempts as "maxAttempts", timeout_ms as "timeoutMs", lease_token as token, trace,
                     owner_id as "ownerId"`,
    values: [deliveries.flatMap(({ ids }) => ids), deliveries.flatMap(({ id, ids }) => ids.map(() => id)), token]
  })
  return rows
}

/** Ends attempts well where the lease still holds; answers those. */
export async function finishSucceeded(
  client: PoolClient,
  endings: { job: ClaimedJob; result: unknown }[]
): Promise<Attempt[]> {
  const given = endings.map(({ job, result }) => ({ id: job.id, token: job.token, result }))
  const { rows } = await client.query<Attempt>({
    name: 'finish_succeeded',
    text: `update jobs
              set state = 'succeeded', result = given.result, error = null, progress = 100, version = version + 1,
                  lease_token = null, lease_until = null, finished_at = now()
             from json_to_recordset($1::json) as given (id uuid, token uuid, result jsonb)
            where jobs.id = given.id and jobs.lease_token = given.token and ${IS_ACTIVE}
           returning jobs.id, given.token`,
    values: [JSON.stringify(given)]
  })
  return rows
}

/** Ends attempts badly where the lease still holds: queued again while attempts are left, else dead. Answers those. */
export async function finishFailed(
  client: PoolClient,
  endings: ({ job: ClaimedJob } & AttemptEnding)[]
): Promise<Attempt[]> {
  const given = endings.map(({ job, outcome, error, retryInMs }) => {
    return { id: job.id, token: job.token, outcome, error, retry_ms: retryInMs ?? null }
  })
  const { rows } = await client.query<Attempt>({
    name: 'finish_failed',
    text: `with ended as (
             update jobs
                set state = case when retry_ms is null or attempts >= max_attempts then 'dead' else 'queued' end,
                    finished_at = case when retry_ms is null or attempts >= max_attempts then now() end,
                    run_at = now() + make_interval(secs => coalesce(retry_ms, 0) / 1000.0),
                    error = given.error, version = version + 1, suspect = false, progress = null,
                    lease_token = null, lease_until = null, delivery_id = null, delivered_at = null
               from json_to_recordset($1::json) as given (id uuid, token uuid, outcome text, error jsonb, retry_ms float8)
              where jobs.id = given.id and jobs.lease_token = given.token and ${IS_ACTIVE}
             returning jobs.id, given.token, attempts, outcome, jobs.error, started_at
           ), noted as (
             insert into job_attempts (job_id, attempt, outcome, error, started_at)
             select id, attempts, outcome, error, started_at from ended
             on conflict do nothing
           )
           select id, token from ended`,
    values: [JSON.stringify(given)]
  })
  return rows
}

/** Gives jobs back as if they had not been claimed; answers those. */
export async function finishReleased(
  client: PoolClient,
  endings: { job: ClaimedJob; delayMs: number }[]
): Promise<Attempt[]> {
  const given = endings.map(({ job, delayMs }) => ({ id: job.id, token: job.token, delay_ms: delayMs }))
  const { rows } = await client.query<Attempt>({
    name: 'finish_released',
    text: `update jobs
              set state = 'queued', attempts = attempts - 1, version = version + 1, progress = null,
                  run_at = now() + make_interval(secs => delay_ms / 1000.0),
                  lease_token = null, lease_until = null, delivery_id = null, delivered_at = null
             from json_to_recordset($1::json) as given (id uuid, token uuid, delay_ms float8)
            where jobs.id = given.id and jobs.lease_token = given.token and ${IS_ACTIVE}
           returning jobs.id, given.token`,
    values: [JSON.stringify(given)]
  })
  return rows
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
export async function renewLeases(db: Queryable, leases: Lease[]): Promise<LostLease[]> {
  const { rows } = await db.query<LostLease>({
    name: 'renew_leases',
    text: `with given as (
             select * from json_to_recordset($1::json) as given (id uuid, token uuid, progress real)
           ), mine as (
             select jobs.id, given.progress
               from jobs join given on jobs.id = given.id
              where jobs.lease_token = given.token and ${IS_ACTIVE}
                for update of jobs skip locked
           ), renewed as (
             update jobs
                set lease_until = now() + make_interval(secs => ${LEASE_S}),
                    version = version + (mine.progress is distinct from jobs.progress)::int, progress = mine.progress
               from mine
              where jobs.id = mine.id
           )
           select jobs.id, given.token, jobs.state
             from given join jobs on jobs.id = given.id
            where jobs.lease_token is distinct from given.token or jobs.state <> 'active'`,
    values: [JSON.stringify(leases)]
  })
  return rows
}

/** Ends what waited beyond its time. */
export async function expireJobs(client: PoolClient): Promise<void> {
  await client.query({
    name: 'expire_jobs',
    text: `update jobs set state = 'expired', finished_at = now(), version = version + 1, delivery_id = null, delivered_at = null
            where state = 'queued' and expires_at is not null and expires_at <= now()`
  })
}

/**
 * Takes back what runs beyond its lease: queued again as a suspect while attempts are left, else dead. Not right after Postgres
 * itself started: nobody could renew before.
 */
export async function returnLapsed(client: PoolClient): Promise<{ id: string; state: JobState }[]> {
  const { rows } = await client.query<{ id: string; state: JobState }>({
    name: 'return_lapsed',
    text: `with lapsed as (
             select id from jobs
              where state = 'active' and lease_until < now()
                and pg_postmaster_start_time() < now() - make_interval(secs => ${LEASE_S})
              order by lease_until limit 1000 for update skip locked
           ), returned as (
             update jobs
                set state = case when attempts >= max_attempts then 'dead' else 'queued' end,
                    finished_at = case when attempts >= max_attempts then now() end,
                    error = jsonb_build_object('code', 'CONSUMER_LOST', 'detail', 'the consumer ended without a word'),
                    suspect = true, run_at = now(), version = version + 1, progress = null,
                    lease_token = null, lease_until = null, delivery_id = null, delivered_at = null
               from lapsed
              where jobs.id = lapsed.id
             returning jobs.id, state, attempts, error, started_at
           ), noted as (
             insert into job_attempts (job_id, attempt, outcome, error, started_at)
             select id, attempts, 'lapsed', error, started_at from returned
             on conflict do nothing
           )
           select id, state from returned`
  })
  return rows
}

export interface UndeliveredJob {
  id: string
  type: string
  attempts: number
  suspect: boolean
}

/** What is due in a queue and has no delivery, oldest first. */
export async function findUndelivered(client: PoolClient, queue: string, limit: number): Promise<UndeliveredJob[]> {
  const { rows } = await client.query<UndeliveredJob>({
    name: 'find_undelivered',
    text: `select id, type, attempts, suspect from jobs
            where state = 'queued' and queue = $1 and delivery_id is null and run_at <= now()
            order by run_at limit $2`,
    values: [queue, limit]
  })
  return rows
}

/** Writes delivery ids on rows that still wait without one; answers those rows' ids. */
export async function stampDeliveries(
  client: PoolClient,
  deliveries: { id: string; ids: string[] }[]
): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>({
    name: 'stamp_deliveries',
    text: `update jobs set delivery_id = given.delivery_id, delivered_at = now()
             from unnest($1::uuid[], $2::uuid[]) as given (id, delivery_id)
            where jobs.id = given.id and ${IS_QUEUED} and jobs.delivery_id is null
           returning jobs.id`,
    values: [deliveries.flatMap(({ ids }) => ids), deliveries.flatMap(({ id, ids }) => ids.map(() => id))]
  })
  return new Set(rows.map(({ id }) => id))
}

/** Deliveries of a queue that carry waiting rows for more than a second; `old` after a minute. */
export async function findDeliveries(
  client: PoolClient,
  queue: string
): Promise<{ id: string; suspect: boolean; old: boolean }[]> {
  const { rows } = await client.query<{ id: string; suspect: boolean; old: boolean }>({
    name: 'find_deliveries',
    text: `select delivery_id as id, bool_or(suspect) as suspect, min(delivered_at) < now() - interval '60 s' as old
             from jobs
            where state = 'queued' and queue = $1 and delivery_id is not null and delivered_at < now() - interval '1 s'
            group by delivery_id`,
    values: [queue]
  })
  return rows
}

/** Takes the delivery ids off rows that still wait; answers how many rows. */
export async function clearDeliveries(client: PoolClient, queue: string, ids: string[]): Promise<number> {
  const { rowCount } = await client.query({
    name: 'clear_deliveries',
    text: `update jobs set delivery_id = null, delivered_at = null
            where state = 'queued' and queue = $1 and delivery_id = any($2::uuid[])`,
    values: [queue, ids]
  })
  return rowCount ?? 0
}

/** Open jobs by queue and submitter; `undelivered` are those that have waited for the relay for more than two seconds. */
export async function countOpenJobs(
  db: Queryable
): Promise<{ queue: string; submitter: string; jobs: number; undelivered: number }[]> {
  const { rows } = await db.query<{ queue: string; submitter: string; jobs: number; undelivered: number }>({
    name: 'count_open_jobs',
    text: `select queue, submitter, sum(jobs)::int as jobs, sum(undelivered)::int as undelivered
             from (select queue, submitter, count(*) as jobs,
                          count(*) filter (where delivery_id is null and run_at < now() - interval '2 s') as undelivered
                     from jobs where state = 'queued' group by queue, submitter
                   union all
                   select queue, submitter, count(*), 0 from jobs where state = 'active' group by queue, submitter) as open
            group by queue, submitter`
  })
  return rows
}

/**
 * One consumer at a time relays. The lock goes with the connection, and Postgres ends a connection that holds it in silence:
 * else a consumer whose line was cut would keep all others from relaying.
 */
export async function tryRelayLock(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select locked, case when locked then set_config('idle_session_timeout', '15s', false) end
       from (select pg_try_advisory_lock(hashtext('beeline.relay')) as locked offset 0) as tried`
  )
  return rows[0]?.locked ?? false
}

export async function unlockRelay(client: PoolClient): Promise<void> {
  await client.query(
    `select pg_advisory_unlock(hashtext('beeline.relay')), set_config('idle_session_timeout', '0', false)`
  )
}

/** A job as its owner reads it, with times as Date. */
export type JobRow = { [Key in keyof Job]: Key extends `${string}_at` ? Date : Job[Key] } & { ownerId: string | null }

export async function findJob(db: Queryable, id: string): Promise<JobRow | undefined> {
  const { rows } = await db.query<JobRow>({
    name: 'find_job',
    text: `select id, type, queue, state as status, version, progress, attempts, max_attempts, run_at, expires_at, error,
                  created_at, started_at, finished_at, owner_id as "ownerId"
             from jobs where id = $1`,
    values: [id]
  })
  return rows[0]
}

/** State and times of a job that brings a form's submission. */
export async function findJobStatus(db: Queryable, form: string, id: string): Promise<JobStatus | undefined> {
  const { rows } = await db.query<JobStatus>({
    name: 'find_job_status',
    text: `select id, state as status, progress, attempts, created_at, started_at, finished_at
             from jobs where id = $1 and payload->>'form' = $2`,
    values: [id, form]
  })
  return rows[0]
}

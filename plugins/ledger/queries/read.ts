/** SQL that only reads: jobs as their owners see them, and how many are open. */
import type { Pool } from 'pg'
import type { Attempt, Job, JobState, JobStatus } from '#schema/job'
import { arrayOf } from './id-text.js'

type Queryable = Pick<Pool, 'query'>

/** Open jobs by queue and submitter; `undelivered` are no suspects, and have waited for the relay for more than two seconds. */
export async function countOpenJobs(
  db: Queryable
): Promise<{ queue: string; submitter: string; jobs: number; undelivered: number }[]> {
  const { rows } = await db.query<{ queue: string; submitter: string; jobs: number; undelivered: number }>({
    name: 'count_open_jobs',
    text: `select queue, submitter, sum(jobs)::int as jobs, sum(undelivered)::int as undelivered
             from (select queue, submitter, count(*) as jobs,
                          count(*) filter (where delivery_id is null and run_at < now() - interval '2 s'
                                             and not suspect) as undelivered
                     from jobs where state = 'queued' group by queue, submitter
                   union all
                   select queue, submitter, count(*), 0 from jobs where state = 'active' group by queue, submitter) as open
            group by queue, submitter`
  })
  return rows
}

/** A job as its owner reads it, with times as Date. */
export type JobRow = { [Key in keyof Job]: Key extends `${string}_at` ? Date : Job[Key] }
export type JobSummaryRow = Omit<JobRow, 'payload' | 'result' | 'replayed_by'>

export const SUMMARY = `id, type, queue, state as status, version, progress, attempts, max_attempts, timeout_ms, run_at, expires_at,
                  error, created_at, started_at, finished_at, batch_id, replay_of, forgotten_at, owner_id`

export async function findJobs(db: Queryable, ids: string[]): Promise<Map<string, JobRow>> {
  const { rows } = await db.query<JobRow>({
    name: 'find_jobs',
    text: `select ${SUMMARY}, payload, result,
                  (select repeat.id from jobs as repeat where repeat.replay_of = jobs.id) as replayed_by
             from jobs where id = any($1::uuid[])`,
    values: [ids]
  })
  return new Map(rows.map((row) => [row.id, row]))
}

/** How far a job is. */
export interface Progress {
  id: string
  status: JobState
  version: number
  progress: number | null
  attempts: number
}

/** How far a job is, and what whoever waits for its end is answered. */
export type End = Progress & Pick<JobRow, 'result' | 'error' | 'forgotten_at'>

export async function findEnds(db: Queryable, ids: string[]): Promise<Map<string, End>> {
  const { rows } = await db.query<End>({
    name: 'find_ends',
    text: `select id, state as status, version, progress, attempts, result, error, forgotten_at
             from jobs where id = any($1::uuid[])`,
    values: [arrayOf(ids)]
  })
  return new Map(rows.map((row) => [row.id, row]))
}

/** What becomes of jobs, without what they carry. */
export async function findProgress(db: Queryable, ids: string[]): Promise<Map<string, Progress>> {
  const { rows } = await db.query<Progress>({
    name: 'find_progress',
    text: `select id, state as status, version, progress, attempts from jobs where id = any($1::uuid[])`,
    values: [ids]
  })
  return new Map(rows.map((row) => [row.id, row]))
}

/** State and times of a job that brings a form's submission; with an owner only if it is theirs or nobody's. */
export async function findJobStatus(
  db: Queryable,
  form: string,
  { id, ownerId }: { id: string; ownerId?: string }
): Promise<JobStatus | undefined> {
  const { rows } = await db.query<JobStatus>({
    name: 'find_job_status',
    text: `select id, state as status, progress, attempts, created_at, started_at, finished_at
             from jobs
            where id = $1 and payload->>'form' = $2 and ($3::uuid is null or owner_id is null or owner_id = $3)`,
    values: [id, form, ownerId ?? null]
  })
  return rows[0]
}

/** Ids and states of a batch, in the order in which its items were sent. */
export async function findBatch(
  db: Queryable,
  batchId: string
): Promise<{ id: string; status: JobState; item: number }[]> {
  const { rows } = await db.query<{ id: string; status: JobState; item: number }>({
    name: 'find_batch',
    text: `select id, state as status, batch_item as item from jobs where batch_id = $1 order by batch_item`,
    values: [batchId]
  })
  return rows
}

/** Attempts that did not succeed, first to last, with times as Date. */
export async function findAttempts(db: Queryable, id: string): Promise<AttemptRow[]> {
  const { rows } = await db.query<AttemptRow>({
    name: 'find_attempts',
    text: `select attempt, outcome, error, started_at, finished_at from job_attempts where job_id = $1 order by attempt`,
    values: [id]
  })
  return rows
}
export type AttemptRow = Omit<Attempt, 'started_at' | 'finished_at'> & { started_at: Date | null; finished_at: Date }

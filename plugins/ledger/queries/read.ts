/** SQL that only reads: jobs as their owners see them, and how many are open. */
import type { Pool } from 'pg'
import type { Job, JobStatus } from '#schema/job'

type Queryable = Pick<Pool, 'query'>

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

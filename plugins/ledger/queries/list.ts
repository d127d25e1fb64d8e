/** SQL of the list of jobs: any filter, never more work for a page than its bound. */
import type { Pool } from 'pg'
import type { JobState } from '#schema/job'
import { type JobSummaryRow, SUMMARY } from './read.js'

export interface JobFilter {
  state?: JobState
  type?: string
  /** Only those of this user. */
  ownerId?: string
  /** Times between which they were accepted, the first included. */
  createdFrom?: Date
  createdBefore?: Date
  /** Only those whose id is less: where a page begins. */
  before?: string
  batchId?: string
  /** Path into the payload and the text that stands there. */
  payload?: { path: string[]; value: string }
  /** Code of the last error. */
  errorCode?: string
}

export interface JobPage {
  rows: JobSummaryRow[]
  /** Where the next page begins (`before`); undefined at the end. */
  next: string | undefined
}

/** Rows looked through for one page: a filter that fits few of them may end its page early, and the next one goes on there. */
const MOST_SEEN = 10_000

/** An id is made by a gateway's clock, and its row's time by that of Postgres: they may be so far apart. */
const CLOCKS_MS = 3_600_000

/** Jobs that fit, newest first, at most `limit`. A page may be short, even empty, and yet not the last. */
export async function listJobs(db: Pick<Pool, 'query'>, filter: JobFilter, limit: number): Promise<JobPage> {
  const { seen, questions, values, bounds } = translate(filter)
  const { rows } = await db.query<JobSummaryRow>(
    `select ${SUMMARY} from (${seen(questions ? MOST_SEEN : limit + 1)}) as jobs ${questions} order by id desc limit ${limit + 1}`,
    values
  )
  if (rows.length > limit) return { rows: rows.slice(0, limit), next: rows[limit - 1]?.id }
  if (!questions) return { rows, next: undefined }
  const { rows: last } = await db.query<{ id: string }>(
    `select id from (${seen(MOST_SEEN)}) as jobs order by id desc offset ${MOST_SEEN - 1} limit 1`,
    values.slice(0, bounds)
  )
  return { rows, next: last[0]?.id }
}

/** A filter in two parts: what an index answers, newest first (the first `bounds` values), and what each such row is asked. */
function translate(filter: JobFilter) {
  const { state, type, ownerId, createdFrom, createdBefore, before, batchId, payload, errorCode } = filter
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const limits = [
    ...(createdFrom ? [`id >= ${given(firstIdAt(createdFrom.getTime() - CLOCKS_MS))}::uuid`] : []),
    ...(createdBefore ? [`id < ${given(firstIdAt(createdBefore.getTime() + CLOCKS_MS))}::uuid`] : []),
    ...(before ? [`id < ${given(before)}::uuid`] : []),
    ...(ownerId ? [`owner_id = ${given(ownerId)}::uuid`] : []),
    ...(batchId ? [`batch_id = ${given(batchId)}::uuid`] : [])
  ]
  const isOpen = state === 'queued' || state === 'active'
  // few ended badly, and they have an index of their own; most succeeded, so that any stretch of rows has some
  if (state && !isOpen && state !== 'succeeded') limits.push(`state = '${state}'`)
  const bounds = values.length
  const asked = [
    ...(state === 'succeeded' ? [`state = 'succeeded'`] : []),
    ...(type ? [`type = ${given(type)}`] : []),
    ...(createdFrom ? [`created_at >= ${given(createdFrom)}`] : []),
    ...(createdBefore ? [`created_at < ${given(createdBefore)}`] : []),
    ...(errorCode ? [`error ->> 'code' = ${given(errorCode)}`] : []),
    ...(payload ? [`payload #>> ${given(payload.path)}::text[] = ${given(payload.value)}`] : [])
  ]
  const where = (conditions: string[]) => (conditions.length ? `where ${conditions.join(' and ')}` : '')
  // `offset 0`: the open ones come from the index on their state, however many rows there are besides
  const open = `(select * from jobs where state = '${state}' offset 0)`
  const seen = (rows: number) =>
    `select * from ${isOpen ? open : 'jobs'} as jobs ${where(limits)} order by id desc limit ${rows}`
  return { seen, questions: where(asked), values, bounds }
}

/** Ids begin with the time of their making, in ms (RFC 9562, version 7). */
function firstIdAt(ms: number): string {
  const time = Math.max(0, ms).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7000-8000-000000000000`
}

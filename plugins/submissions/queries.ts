import type { Pool, QueryConfig } from 'pg'
import type { Mode, Receipt, Submission } from '#schema/submission'

/** A pool, or a client inside a transaction. */
export interface Queryable {
  query: <Row>(query: { name?: string; text: string; values: unknown[] }) => Promise<{ rows: Row[] }>
}

/**
 * Inserts submissions, each as JSON `{ id, form, data, owner_id }`; one that is there already stays as it is. The list is read as
 * jsonb, which Postgres takes apart in less time than json.
 */
export const insertionOf = (mode: Mode, rows: { json: string }[]): QueryConfig => ({
  name: 'insert_submissions',
  text: `insert into submissions (id, form, mode, data, owner_id)
         select id, form, $2, data, owner_id
           from jsonb_to_recordset($1::jsonb) as given (id uuid, form text, data jsonb, owner_id uuid)
         on conflict (id) do nothing`,
  values: [`[${rows.map(({ json }) => json).join()}]`, mode]
})

/** What a receipt is asked for by; with an owner only what is theirs or nobody's. */
export interface Receivable {
  id: string
  ownerId?: string
}

/** A submission's id, form and time, without what was typed. Only those stored directly: the others have their job's status. */
export async function findReceipt(
  db: Queryable,
  form: string,
  { id, ownerId }: Receivable
): Promise<Receipt | undefined> {
  const { rows } = await db.query<Receipt>({
    name: 'find_receipt',
    text: `select id, form, created_at from submissions
            where id = $1 and form = $2 and mode = 'sync' and ($3::uuid is null or owner_id is null or owner_id = $3)`,
    values: [id, form, ownerId ?? null]
  })
  return rows[0]
}

/** As it is kept, with its time as Date. */
export type SubmissionRow = Omit<Submission, 'created_at'> & { created_at: Date }

const SUBMISSION = 'id, form, mode, data, owner_id, created_at'

export async function findSubmission(db: Queryable, id: string, ownerId?: string): Promise<SubmissionRow | undefined> {
  const { rows } = await db.query<SubmissionRow>({
    name: 'find_submission',
    text: `select ${SUBMISSION} from submissions where id = $1 and ($2::uuid is null or owner_id = $2)`,
    values: [id, ownerId ?? null]
  })
  return rows[0]
}

export interface SubmissionFilter {
  form?: string
  mode?: Mode
  /** Only those of this user. */
  ownerId?: string
  /** Only those whose id is less: where a page begins. */
  before?: string
}

/** Rows looked through for one page, as in the list of jobs. */
const MOST_SEEN = 10_000

/** Newest first, at most `limit`; `next` is where the next page begins. */
export async function listSubmissions(
  db: Queryable,
  { form, mode, ownerId, before }: SubmissionFilter,
  limit: number
): Promise<{ rows: SubmissionRow[]; next: string | undefined }> {
  const own = ownerId ? 'owner_id = $2' : '$2::uuid is null'
  const seen = (rows: number) =>
    `select ${SUBMISSION} from submissions where ($1::uuid is null or id < $1) and ${own} order by id desc limit ${rows}`
  const bounds = [before ?? null, ownerId ?? null]
  const { rows } = await db.query<SubmissionRow>({
    text: `select ${SUBMISSION} from (${seen(MOST_SEEN)}) as seen
            where ($3::text is null or form = $3) and ($4::text is null or mode = $4) order by id desc limit ${limit + 1}`,
    values: [...bounds, form ?? null, mode ?? null]
  })
  if (rows.length > limit) return { rows: rows.slice(0, limit), next: rows[limit - 1]?.id }
  if (!form && !mode) return { rows, next: undefined }
  const { rows: last } = await db.query<{ id: string }>({
    text: `select id from (${seen(MOST_SEEN)}) as seen order by id desc offset ${MOST_SEEN - 1} limit 1`,
    values: bounds
  })
  return { rows, next: last[0]?.id }
}

export async function countFromJobs(db: Pick<Pool, 'query'>): Promise<number> {
  const { rows } = await db.query<{ rows: number }>(
    `select count(*)::float8 as rows from submissions where mode = 'async'`
  )
  return rows[0]?.rows ?? 0
}

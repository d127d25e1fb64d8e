import type { Pool } from 'pg'
import type { Mode, Receipt } from '#schema/submission'

/** A pool, or a client inside a transaction. */
export interface Queryable {
  query: <Row>(query: { name?: string; text: string; values: unknown[] }) => Promise<{ rows: Row[] }>
}

/** Inserts submissions, each as JSON `{ id, form, data }`; one that is there already stays as it is. */
export async function insertSubmissions(db: Queryable, mode: Mode, rows: { json: string }[]) {
  await db.query({
    name: 'insert_submissions',
    text: `insert into submissions (id, form, mode, data)
           select id, form, $2, data
             from json_to_recordset($1::json) as given (id uuid, form text, data jsonb)
           on conflict (id) do nothing`,
    values: [`[${rows.map(({ json }) => json).join()}]`, mode]
  })
}

/** A submission's id, form and time, without what was typed. Only those stored directly: the others have their job's status. */
export async function findReceipt(db: Queryable, form: string, id: string): Promise<Receipt | undefined> {
  const { rows } = await db.query<Receipt>({
    name: 'find_receipt',
    text: `select id, form, created_at from submissions where id = $1 and form = $2 and mode = 'sync'`,
    values: [id, form]
  })
  return rows[0]
}

export async function countFromJobs(db: Pick<Pool, 'query'>): Promise<number> {
  const { rows } = await db.query<{ rows: number }>(
    `select count(*)::float8 as rows from submissions where mode = 'async'`
  )
  return rows[0]?.rows ?? 0
}

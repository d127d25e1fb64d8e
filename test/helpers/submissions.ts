import pg from 'pg'
import type { Mode } from '#schema/submission'

export interface StoredSubmission {
  id: string
  form: string
  mode: Mode
  data: Record<string, unknown>
}

/** What is in the table, oldest first; only those whose `name` is that one, so that tests can share a database. */
export async function findSubmissions(databaseUrl: string, name: string): Promise<StoredSubmission[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<StoredSubmission>(
      `select id, form, mode, data from submissions where data ->> 'name' = $1 order by created_at, id`,
      [name]
    )
    return rows
  } finally {
    await client.end()
  }
}

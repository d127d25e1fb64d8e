import type { Pool } from 'pg'

/** A pool, or a client inside a transaction. */
export interface Queryable {
  query: <Row>(query: { name?: string; text: string; values: unknown[] }) => Promise<{ rows: Row[] }>
}

/** Inserts pages, each as JSON with a field for each column; one that is there already stays as it is. */
export async function insertPages(db: Queryable, pages: object[]): Promise<void> {
  await db.query({
    name: 'insert_pages',
    text: `insert into pages (id, url, final_url, status, title, description, language, canonical, headings, links, excerpt,
                              structured, counts, truncated, charset, fetched_at)
           select id, url, final_url, status, title, description, language, canonical, headings, links, excerpt,
                  structured, counts, truncated, charset, fetched_at
             from json_populate_recordset(null::pages, $1::json)
           on conflict (id) do nothing`,
    values: [JSON.stringify(pages)]
  })
}

export async function countPages(db: Pick<Pool, 'query'>): Promise<number> {
  const { rows } = await db.query<{ rows: number }>('select count(*)::float8 as rows from pages')
  return rows[0]?.rows ?? 0
}

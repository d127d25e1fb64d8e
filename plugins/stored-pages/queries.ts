import type { Pool, QueryConfig } from 'pg'

/** Inserts pages, each as JSON with a field for each column; one that is there already stays as it is. */
export const insertionOf = (pages: object[]): QueryConfig => ({
  name: 'insert_pages',
  text: `insert into pages (id, url, final_url, status, title, description, language, canonical, headings, links, excerpt,
                            structured, counts, truncated, charset, fetched_at)
         select id, url, final_url, status, title, description, language, canonical, headings, links, excerpt,
                structured, counts, truncated, charset, fetched_at
           from json_populate_recordset(null::pages, $1::json)
         on conflict (id) do nothing`,
  values: [JSON.stringify(pages)]
})

export async function countPages(db: Pick<Pool, 'query'>): Promise<number> {
  const { rows } = await db.query<{ rows: number }>('select count(*)::float8 as rows from pages')
  return rows[0]?.rows ?? 0
}

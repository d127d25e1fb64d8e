interface Queryable {
  query: (text: string) => Promise<{ rows: { name: string }[] }>
}

/** A setting that lets Postgres forget a confirmed commit, if one is off: fsync or full_page_writes. */
export async function findUnsafeSetting(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query(
    `select name from pg_settings where name in ('fsync', 'full_page_writes') and setting = 'off' order by name`
  )
  return rows[0]?.name
}

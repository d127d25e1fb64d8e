interface Queryable {
  query: (text: string) => Promise<{ rows: { name: string }[] }>
}

/** A setting that lets Postgres forget a confirmed commit, if one is off, as the session has it. */
export async function findUnsafeSetting(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query(
    `select name from pg_settings
      where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off' order by name`
  )
  return rows[0]?.name
}

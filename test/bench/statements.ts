/** What Postgres spent its time on: for runs with PROFILE. */
import type pg from 'pg'

/** Settings of a server that keeps account of its statements. */
export const ACCOUNTING = { shared_preload_libraries: 'pg_stat_statements' }

export async function countStatements(database: pg.Client): Promise<void> {
  await database.query('create extension if not exists pg_stat_statements')
  await database.query('select pg_stat_statements_reset()')
}

/** The dearest statements of a database since then, a line each. */
export async function listStatements(database: pg.Client): Promise<string[]> {
  const { rows } = await database.query<{ line: string }>(
    `select format('%8s ms %7s calls %8s ms each %8s rows  %s', round(total_exec_time), calls, round(mean_exec_time::numeric, 2), rows,
                   left(regexp_replace(query, '\\s+', ' ', 'g'), 100)) as line
       from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())
      order by total_exec_time desc limit 12`
  )
  return rows.map(({ line }) => line)
}

import pg from 'pg'

const QUERIES = {
  columns: `
    select table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_generated
    from information_schema.columns where table_schema = 'public' and table_name <> 'pgmigrations' order by 1, 3`,
  constraints: `
    select conrelid::regclass::text as "table", conname, pg_get_constraintdef(oid) as definition
    from pg_constraint where connamespace = 'public'::regnamespace and conrelid::regclass::text <> 'pgmigrations' order by 1, 2`,
  indexes: `
    select tablename, indexname, indexdef from pg_indexes
    where schemaname = 'public' and tablename <> 'pgmigrations' order by 1, 2`,
  routines: `
    select proname, pg_get_functiondef(oid) as definition from pg_proc where pronamespace = 'public'::regnamespace order by 1`,
  triggers:
    'select tgrelid::regclass::text as "table", pg_get_triggerdef(oid) as definition from pg_trigger where not tgisinternal order by 1, 2',
  views: "select viewname, definition from pg_views where schemaname = 'public' order by 1",
  storage: `
    select relname, relkind::text, reloptions, relpersistence::text from pg_class
    where relnamespace = 'public'::regnamespace and relname not like 'pgmigrations%' order by 1`
}

/** The structure of a database as Postgres describes it, without the table of the migrations. */
export async function readCatalogue(url: string): Promise<Record<string, unknown[]>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const catalogue: Record<string, unknown[]> = {}
    for (const [name, sql] of Object.entries(QUERIES)) catalogue[name] = (await client.query(sql)).rows
    return catalogue
  } finally {
    await client.end()
  }
}

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { type MigrateOptions, migrate } from '../../infra/postgres/migrate.js'
import { readCatalogue } from '../helpers/catalogue.js'
import { databasesOf, query } from '../helpers/databases.js'
import { eventually } from '../helpers/eventually.js'
import { startPostgres } from '../helpers/services.js'

const SCHEMA = join(import.meta.dirname, '../../../infra/postgres/schema.sql')
const BUSINESS_TABLES = ['jobs', 'job_attempts', 'accept_counts', 'submissions', 'pages', 'tasks', 'users']
const HOUSEKEEPING_TABLES = ['idempotency_keys', 'refresh_tokens', 'sessions', 'api_keys', 'password_links']

const postgres = await startPostgres(t)
const makeDatabase = databasesOf(postgres)

/** Steps down until the migration is the last one that ran. */
async function backTo(urls: MigrateOptions, last: string): Promise<void> {
  const readLast = async () =>
    (await query(urls.ownerUrl, 'select name from pgmigrations order by id desc limit 1')).rows[0]?.name
  while ((await readLast()) !== last) {
    const [undone] = await migrate({ ...urls, direction: 'down' })
    assert.ok(undone, `there is no migration ${last}`)
  }
}

t.test('C6 migrating a second time does nothing, a step down and up again gives the same database', async (t) => {
  const { url, ownerUrl } = await makeDatabase('steps')
  const urls = { ownerUrl, appUrl: url }
  const up = await migrate(urls)
  t.ok(up.length > 0)
  const before = await readCatalogue(ownerUrl)
  t.strictSame(await migrate(urls), [])

  for (const name of up.toReversed()) t.strictSame(await migrate({ ...urls, direction: 'down' }), [name])
  const { rows } = await query(ownerUrl, "select tablename from pg_tables where schemaname = 'public'")
  t.strictSame(rows, [{ tablename: 'pgmigrations' }], 'nothing else is left')

  t.strictSame(await migrate(urls), up)
  t.strictSame(await readCatalogue(ownerUrl), before)
})

t.test('C6 two starts at once migrate one after the other', async (t) => {
  const { url, ownerUrl } = await makeDatabase('race')
  const ran = await Promise.all([1, 2, 3].map(() => migrate({ ownerUrl, appUrl: url })))
  t.equal(ran.filter((names) => names.length > 0).length, 1)
})

for (const direction of ['up', 'down'] as const) {
  t.test(
    `C6 ${direction}: a migration and who has read a job and waits to write it do not wait for each other; one that was interrupted goes on`,
    async (t) => {
      const { url, ownerUrl } = await makeDatabase(`waiting_${direction}`)
      const urls = { ownerUrl, appUrl: url }
      await migrate(urls)
      await backTo(urls, direction === 'up' ? '0005_account_housekeeping' : '0006_relay_reads')
      const writer = new pg.Client({ connectionString: ownerUrl })
      await writer.connect()
      t.teardown(() => writer.end())
      await writer.query('begin')
      await writer.query('select id from jobs for update')
      const impatient = `${ownerUrl}?options=-c%20lock_timeout%3D100`
      await t.rejects(migrate({ ...urls, ownerUrl: impatient, direction }), { code: '55P03' }, 'after its builds')
      const migrated = migrate({ ...urls, direction })
      await eventually(async () => {
        const { rowCount } = await query(
          ownerUrl,
          "select from pg_locks where not granted and mode = 'AccessExclusiveLock'"
        )
        assert.equal(rowCount, 1)
      })
      await writer.query('update jobs set attempts = 0')
      await writer.query('commit')
      t.strictSame((await migrated)[0], '0006_relay_reads')
    }
  )
}

t.test('one address for both roles migrates, and warns', async (t) => {
  const { ownerUrl } = await makeDatabase('single')
  const said: string[] = []
  await migrate({ ownerUrl, appUrl: ownerUrl, say: (line) => said.push(line) })
  t.match(said.join('\n'), /one database role for both/)
  t.equal((await query(ownerUrl, 'select 1 from jobs')).rowCount, 0)
})

t.test('a role that is missing is made with the password of the address', async (t) => {
  const { url, ownerUrl } = await makeDatabase('roles')
  const appUrl = new URL(url)
  appUrl.username = 'other_app'
  appUrl.password = encodeURIComponent("it's a p@ss/word")
  await migrate({ ownerUrl, appUrl: appUrl.href })
  t.equal((await query(appUrl.href, 'select 1 from jobs')).rowCount, 0)
})

t.test('E14 a migrated database equals infra/postgres/schema.sql loaded alone', async (t) => {
  const { ownerUrl } = await makeDatabase('schema_alone')
  await query(ownerUrl, await readFile(SCHEMA, 'utf8'))
  t.strictSame(await readCatalogue(ownerUrl), await readCatalogue(postgres.ownerUrl))
})

t.test('E11 the role that serves may not delete business rows, nor change the structure', async (t) => {
  for (const table of BUSINESS_TABLES) {
    await t.rejects(query(postgres.url, `delete from ${table}`), { code: '42501' }, `delete from ${table}`)
    await t.rejects(query(postgres.url, `truncate ${table}`), { code: '42501' }, `truncate ${table}`)
    await t.rejects(query(postgres.url, `drop table ${table}`), { code: '42501' }, `drop table ${table}`)
  }
  for (const table of HOUSEKEEPING_TABLES) t.equal((await query(postgres.url, `delete from ${table}`)).rowCount, 0)
  await t.rejects(query(postgres.url, 'create table more (id int)'), { code: '42501' })
  const { rows } = await query(
    postgres.ownerUrl,
    "select tablename from pg_tables where schemaname = 'public' order by 1"
  )
  const known = [...BUSINESS_TABLES, ...HOUSEKEEPING_TABLES, 'pgmigrations'].sort()
  t.strictSame(
    rows.map(({ tablename }) => tablename),
    known,
    'a new table belongs in one of the two lists'
  )
})

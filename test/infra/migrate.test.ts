import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { createDatabase } from '../../infra/postgres/create-database.js'
import { findDeadJobs } from '../../infra/postgres/dead.js'
import { type MigrateOptions, migrate } from '../../infra/postgres/migrate.js'
import { seed } from '../../infra/postgres/seed.js'
import { readCatalogue } from '../helpers/catalogue.js'
import { eventually } from '../helpers/eventually.js'
import { type Environment, startGateway } from '../helpers/processes.js'
import { type PostgresService, startPostgres, startRedis } from '../helpers/services.js'

const SCHEMA = join(import.meta.dirname, '../../../infra/postgres/schema.sql')
const SEED = join(import.meta.dirname, '../../infra/postgres/seed.js')
const BUSINESS_TABLES = ['jobs', 'job_attempts', 'accept_counts', 'submissions', 'pages', 'tasks', 'users']
const HOUSEKEEPING_TABLES = ['idempotency_keys', 'refresh_tokens', 'sessions', 'api_keys', 'password_links']

const postgres = await startPostgres(t)

/** Both roles' addresses of an empty database beside the migrated one. */
async function makeDatabase(name: string): Promise<Pick<PostgresService, 'url' | 'ownerUrl'>> {
  const [url, ownerUrl] = [postgres.url, postgres.ownerUrl].map((address) => {
    const other = new URL(address)
    other.pathname = `/${name}`
    return other.href
  })
  if (!url || !ownerUrl) throw new Error('unreachable')
  await createDatabase(ownerUrl)
  return { url, ownerUrl }
}

/** Steps down until the migration is the last one that ran. */
async function backTo(urls: MigrateOptions, last: string): Promise<void> {
  const readLast = async () =>
    (await query(urls.ownerUrl, 'select name from pgmigrations order by id desc limit 1')).rows[0]?.name
  while ((await readLast()) !== last) {
    const [undone] = await migrate({ ...urls, direction: 'down' })
    assert.ok(undone, `there is no migration ${last}`)
  }
}

async function query(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
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

t.test('C7 seeding twice adds the sample data once', async (t) => {
  const { url, ownerUrl } = await makeDatabase('samples')
  await migrate({ ownerUrl, appUrl: url })
  t.ok((await seed(ownerUrl)) > 0)
  const readAll = async () => [
    (await query(ownerUrl, 'select * from submissions order by id')).rows,
    (await query(ownerUrl, 'select * from tasks order by id')).rows
  ]
  const before = await readAll()
  t.match(before, [[{ form: 'contact' }], [{ id: 1 }, { id: 2 }]])
  t.equal(await seed(ownerUrl), 0)
  t.strictSame(await readAll(), before)
  const inserted = "insert into tasks (insert_id, title) values (gen_random_uuid(), 'next') returning id"
  t.match((await query(ownerUrl, inserted)).rows, [{ id: 3 }], 'and used up no id')
})

t.test(
  'C7 what was seeded is in the list of tasks at once, also where a gateway keeps the one of before',
  async (t) => {
    const redis = await startRedis(t)
    const prepare = async (name: string, settings: Environment) => {
      const { url, ownerUrl } = await makeDatabase(name)
      await migrate({ ownerUrl, appUrl: url })
      return { DATABASE_URL: url, DATABASE_OWNER_URL: ownerUrl, ...settings }
    }
    const runSeed = async (env: Environment) =>
      (await promisify(execFile)(process.execPath, [SEED], { env: { PATH: process.env.PATH, ...env } })).stdout
    for (const REDIS_PREFIX of ['bq', 'hive']) {
      const env = await prepare(`kept_${REDIS_PREFIX}`, { REDIS_URL: redis.url, REDIS_PREFIX })
      const gateway = await startGateway(t, { ...env, PUBLIC_TASKS: 'true' })
      const list = async () => Object(await (await fetch(`${gateway.url}/api/tasks`)).json())
      t.strictSame(await list(), { source: 'postgres', next: null, items: [] })
      t.strictSame(await list(), { source: 'redis-cache', next: null, items: [] })
      t.match(await runSeed(env), /^sample data: \d+ rows added\n$/)
      t.match(await list(), { source: 'postgres', items: [{ id: 2 }, { id: 1 }] })
      await list()
      t.match(await runSeed(env), /^nothing to do/)
      t.match(await list(), { source: 'redis-cache' }, 'and left when nothing was written')
    }
    for (const [name, settings] of Object.entries({ away: { REDIS_URL: 'redis://127.0.0.1:1' }, unnamed: {} })) {
      const env = await prepare(`redis_${name}`, settings)
      t.match(await runSeed(env), /^sample data: \d+ rows added\nRedis cannot be told: [^\n]+\n$/, name)
      t.equal((await query(env.DATABASE_OWNER_URL, 'select 1 from tasks')).rowCount, 2)
    }
  }
)

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

t.test('dead jobs can be read, newest first', async (t) => {
  const { url, ownerUrl } = await makeDatabase('dead_jobs')
  await migrate({ ownerUrl, appUrl: url })
  t.strictSame(await findDeadJobs(url, 10), { total: 0, jobs: [] })
  await query(
    url,
    `insert into jobs (id, type, queue, payload, schema_version, state, attempts, max_attempts, timeout_ms, submitter, error, finished_at)
     select ('019a0000-0000-7000-8000-00000000000' || n)::uuid, 'store-submission', 'submissions', '{}', 1,
       'dead', n, 5, 1000, 'anon', jsonb_build_object('code', 'FAILED', 'detail', 'reason ' || n), now() + n * interval '1 s'
     from generate_series(1, 3) n`
  )
  const { total, jobs } = await findDeadJobs(url, 2)
  t.equal(total, 3)
  t.match(jobs, [{ attempts: 3, code: 'FAILED', detail: 'reason 3' }, { attempts: 2 }])
})

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { migrate } from '../../infra/postgres/migrate.js'
import { seed } from '../../infra/postgres/seed.js'
import { databasesOf, query } from '../helpers/databases.js'
import { type Environment, startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'

const SEED = join(import.meta.dirname, '../../infra/postgres/seed.js')

const makeDatabase = databasesOf(await startPostgres(t))

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

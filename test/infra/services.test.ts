import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import pg from 'pg'
import t from 'tap'
import { isProcess } from '../../infra/local/process-list.js'
import { eventually } from '../helpers/eventually.js'
import { startPostgres, startRedis } from '../helpers/services.js'

const query = async (url: string, sql: string, timeout = 5_000) => {
  const client = new pg.Client({ connectionString: url, query_timeout: timeout, connectionTimeoutMillis: timeout })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

t.test('a test file gets a migrated Postgres that survives a kill and can be frozen', async (t) => {
  const postgres = await startPostgres(t)
  await query(postgres.url, "insert into accept_counts values ('019a0000-0000-7000-8000-000000000001', 7)")
  await postgres.kill()
  await t.rejects(query(postgres.url, 'select 1'), { code: 'ECONNREFUSED' })
  await postgres.start()
  t.strictSame(await query(postgres.url, 'select jobs from accept_counts'), [{ jobs: '7' }])
  await postgres.freeze()
  await t.rejects(query(postgres.url, 'select 1', 300), /timeout/)
  await postgres.thaw()
  t.strictSame(await query(postgres.ownerUrl, 'show fsync'), [{ fsync: 'on' }])
})

t.test('a test file gets a Redis that forgets on a kill, or keeps when asked', async (t) => {
  for (const persistent of [false, true]) {
    const redis = await startRedis(t, { persistent })
    const client = new Redis(redis.url, { lazyConnect: true })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    await client.set('key', 'value')
    await redis.kill()
    await redis.start()
    t.equal(await eventually(() => client.get('key')), persistent ? 'value' : null)
    await redis.stop()
  }
})

t.test('a test file that is killed leaves no server behind', async (t) => {
  const services = import.meta.resolve('../helpers/services.js')
  const script = `
    const { startPostgres, startRedis } = await import(${JSON.stringify(services)})
    const t = { teardown() {} }
    const servers = await Promise.all([startPostgres(t), startRedis(t)])
    console.log(servers.map(({ pid }) => pid).join(' '))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  const pids = String(line).trim().split(' ').map(Number)
  for (const pid of pids) t.ok(await isProcess(pid, /postgres|redis|valkey/))
  child.kill('SIGKILL')
  await eventually(
    async () => {
      for (const pid of pids) assert.equal(await isProcess(pid, /./), false)
    },
    { timeout: 25_000 }
  )
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import database from '#plugins/database'
import problems from '#plugins/problems'
import { findUnsafeSetting } from '../../plugins/database/queries.js'
import { createSocket } from '../../plugins/database/socket.js'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startGateway } from '../helpers/processes.js'
import { startPostgres } from '../helpers/services.js'
import { connect } from '../helpers/stack.js'

const postgres = await startPostgres(t)
const sql = connect(t, postgres.ownerUrl)

/** The plugin alone. */
async function createDatabase(t: Test) {
  const app = createApp(t)
  await app.register(database, { url: postgres.url, onUnfit: (error) => t.fail(error) })
  await app.ready()
  return app
}

t.test('who reads many in one turn asks once, and those who come meanwhile go together', async (t) => {
  const app = await createDatabase(t)
  const asked: string[][] = []
  const read = app.groupRead(async (_pool, keys) => {
    asked.push(keys)
    await sleep(20)
    return new Map(keys.map((key) => [key, key.toUpperCase()]))
  })
  const first = Promise.all(['a', 'b', 'a'].map(read))
  await sleep(5)
  t.strictSame(await Promise.all([first, ...['c', 'd'].map(read)]), [['A', 'B', 'A'], 'C', 'D'])
  t.strictSame(asked, [
    ['a', 'b'],
    ['c', 'd']
  ])
})

t.test('what is sent to Postgres in one turn leaves in one call', async (t) => {
  const server = createServer().listen(0)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const socket = createSocket().connect((server.address() as AddressInfo).port)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const held: number[] = []
  for (const text of ['one', 'two']) {
    socket.write(text)
    await null
    socket.write('more')
    held.push(socket.writableCorked, socket.writableLength)
    await sleep(50)
    held.push(socket.writableCorked, socket.writableLength)
  }
  t.strictSame(held, [1, 7, 0, 0, 1, 7, 0, 0], 'held back until the turn ends, then sent')
})

t.test('B20 it registers alone', async (t) => {
  const app = await createDatabase(t)
  t.strictSame((await app.pg.query('select 1 as one')).rows, [{ one: 1 }])
  for (const [setting, value] of [
    ['synchronous_commit', 'on'],
    ['lock_timeout', '3s']
  ] as const) {
    t.strictSame(
      (await app.pg.query(`show ${setting}`)).rows,
      [{ [setting]: value }],
      'rule 1: its sessions keep what they confirm'
    )
  }
})

t.test('rule 1: the start refuses a Postgres that could lose what it confirms', async (t) => {
  const unsafe = await startPostgres(t, { settings: { fsync: 'off' } })
  const app = createApp(t)
  app.register(database, { url: unsafe.url, onUnfit: (error) => t.fail(error) })
  await t.rejects(async () => void (await app.ready()), { message: /fsync=off.*switch fsync on/ })

  const env = { DATABASE_URL: unsafe.url, REDIS_URL: 'redis://127.0.0.1:1' }
  const error = await startGateway(t, env).catch((error: Error) => error)
  t.match(error, { message: /^it ended with code 1$/m })
  t.match(error, { message: /^Postgres runs with fsync=off and could lose what it confirmed: switch fsync on$/m })
})

t.test('rule 1: neither an address nor the database takes the promises of a session away', async (t) => {
  await sql('alter database beeline set synchronous_commit = off')
  await sql('alter role beeline_app set lock_timeout = 0')
  t.teardown(async () => {
    await sql('alter database beeline reset synchronous_commit')
    await sql('alter role beeline_app reset lock_timeout')
  })
  const query = new URLSearchParams({
    options: '-c search_path=public,pg_temp -c synchronous_commit=off',
    statement_timeout: '90000',
    lock_timeout: '90000',
    idle_in_transaction_session_timeout: '90000',
    application_name: 'told'
  })
  for (const url of [postgres.url, `${postgres.url}?${query}`, `${postgres.url}?options=-c%20search_path%3Dpublic`]) {
    const app = createApp(t)
    await app.register(database, { url, onUnfit: (error) => t.fail(error) })
    await app.ready()
    const { rows } = await app.pg.query<{ name: string; setting: string }>('select name, setting from pg_settings')
    const session = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
    t.match(session, {
      synchronous_commit: 'on',
      statement_timeout: '4500',
      lock_timeout: '3000',
      idle_in_transaction_session_timeout: '4500',
      enable_seqscan: 'off'
    })
    if (url.includes('pg_temp')) t.match(session, { search_path: 'public,pg_temp', application_name: 'told' })
  }
})

t.test('rule 1: a session that does not wait for the disk is told, however it came to that', async (t) => {
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  t.equal(await findUnsafeSetting(client), undefined)
  await client.query('set synchronous_commit = off')
  t.equal(await findUnsafeSetting(client), 'synchronous_commit')
  await client.end()
})

t.test('rule 1: a Postgres that comes later and is unfit ends the process', async (t) => {
  const unsafe = await startPostgres(t, { settings: { full_page_writes: 'off' } })
  await unsafe.stop()
  const told: Error[] = []
  const app = createApp(t)
  await app.register(database, { url: unsafe.url, onUnfit: (error) => told.push(error) })
  await app.ready()
  t.strictSame(told, [], 'while it is away nobody knows')
  await unsafe.start()
  await eventually(() => assert.equal(told.length, 1))
  t.match(told[0]?.message, 'full_page_writes=off')
})

t.test('a statement that takes longer than it may is told as that, not as a database that is away', async (t) => {
  const app = createApp(t)
  app.register(problems)
  app.register(database, { url: postgres.url, onUnfit: (error) => t.fail(error) })
  app.get('/', async () => {
    const client = await app.pg.connect()
    try {
      await client.query('set statement_timeout = 20')
      await client.query('select pg_sleep(5)')
    } finally {
      client.release(true)
    }
  })
  const answer = await app.inject('/')
  t.match(answer.json(), { status: 503, code: 'TOO_SLOW' })
  t.equal(answer.headers['retry-after'], '2')
})

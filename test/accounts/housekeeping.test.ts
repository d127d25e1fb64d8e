/** What is over for long goes: log-ins, refresh tokens, keys and links. What holds, or ended a short while ago, stays. */
import assert from 'node:assert/strict'
import pg from 'pg'
import t from 'tap'
import { pruneKeys, prunePasswordLinks, pruneRefreshTokens, pruneSessions } from '../../plugins/auth/queries/prune.js'
import { createUser, logIn } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { startStack } from '../helpers/stack.js'

const stack = await startStack(t)
const { sql } = stack
await createUser(stack, 'ada')
const [{ id: user } = { id: '' }] = await sql<{ id: string }>('select id from users')

/** `n` rows, each with its name in a column that anything may stand in. */
const sessions = (name: string, columns: string, values: string, n = 1) =>
  sql(
    `insert into sessions (id, user_id, kind, scopes, address, user_agent, ${columns})
     select gen_random_uuid(), $1, 'tokens', '{read}', '', $2, ${values} from generate_series(1, $3)`,
    [user, name, n]
  )
const keys = (name: string, columns: string, values: string, n = 1) =>
  sql(
    `insert into api_keys (id, user_id, name, prefix, hash, scopes, ${columns})
     select gen_random_uuid(), $1, $2, gen_random_uuid(), '', '{read}', ${values} from generate_series(1, $3)`,
    [user, name, n]
  )
const tokens = (session: string, created: string, n = 1) =>
  sql(
    `insert into refresh_tokens (hash, session_id, created_at)
     select sha256(gen_random_uuid()::text::bytea), id, ${created} from sessions, generate_series(1, $2) where user_agent = $1`,
    [session, n]
  )
const links = (created: string, n = 1) =>
  sql(
    `insert into password_links (hash, user_id, expires_at)
     select sha256(gen_random_uuid()::text::bytea), $1, ${created} from generate_series(1, $2)`,
    [user, n]
  )
const count = async (from: string) => (await sql<{ n: number }>(`select count(*)::int as n from ${from}`))[0]?.n

const day = (days: number) => `now() - interval '${days} days'`

await sessions('long', 'expires_at, created_at', `${day(-5)}, ${day(90)}`)

t.test('a statement deletes no more than it is told, in the role that serves', async (t) => {
  await sessions('over', 'expires_at, ended_at', `${day(-5)}, ${day(31)}`, 5)
  await keys('over', 'revoked_at', day(31), 5)
  await links(day(31), 5)
  await tokens('long', day(31), 5)
  const app = new pg.Client({ connectionString: stack.postgres.url })
  await app.connect()
  t.teardown(() => app.end())
  for (const prune of [pruneRefreshTokens, pruneSessions, pruneKeys, prunePasswordLinks]) {
    t.strictSame([await prune(app, 2), await prune(app, 3), await prune(app, 3)], [2, 3, 0])
  }
  t.equal(await count(`sessions where user_agent = 'over'`), 0)
})

t.test('a gateway that starts deletes what was over for 30 days, however much it is, and nothing else', async (t) => {
  const { access_token } = await logIn(stack, 'ada')
  for (const [table, fill] of [
    ['ended', () => sessions('ended', 'expires_at, ended_at', `${day(-5)}, ${day(31)}`, 1_500)],
    ['expired', () => sessions('expired', 'expires_at', day(31), 10)],
    ['ended of late', () => sessions('ended of late', 'expires_at, ended_at', `${day(-5)}, ${day(29)}`)],
    ['expired of late', () => sessions('expired of late', 'expires_at', day(29))],
    ['revoked', () => keys('revoked', 'revoked_at', day(31), 1_500)],
    ['key expired', () => keys('expired', 'expires_at', day(31), 10)],
    ['revoked of late', () => keys('revoked of late', 'revoked_at, expires_at', `${day(29)}, ${day(-5)}`)],
    ['good for ever', () => keys('good for ever', 'created_at', day(900))],
    ['links', () => links(day(31), 10)],
    ['link of late', () => links(day(29))],
    ['tokens', () => tokens('long', day(31), 2_500)],
    ['tokens of late', () => tokens('long', day(29), 2)]
  ] as const) {
    await fill()
    t.pass(table)
  }
  await stack.gateway.restart()
  await eventually(async () => {
    const left = await sql<{ name: string }>(`select distinct user_agent as name from sessions order by 1`)
    assert.deepEqual(
      left.map(({ name }) => name),
      ['ended of late', 'expired of late', 'long', 'node']
    )
    const keysLeft = await sql<{ name: string }>(`select distinct name from api_keys order by 1`)
    assert.deepEqual(
      keysLeft.map(({ name }) => name),
      ['good for ever', 'revoked of late']
    )
    assert.equal(await count(`password_links where expires_at < now()`), 1)
    assert.equal(await count(`refresh_tokens where created_at < ${day(1)}`), 2)
  })
  t.equal((await stack.get('/api/users/me', { authorization: `Bearer ${access_token}` })).status, 200)
  t.notMatch(stack.gateway.lines.join('\n'), 'were not deleted')
})

t.test('each finds what is over by index', async (t) => {
  const owner = new pg.Client({ connectionString: stack.postgres.ownerUrl, options: '-c enable_seqscan=off' })
  await owner.connect()
  t.teardown(() => owner.end())
  for (const [table, over] of [
    ['refresh_tokens', 'created_at'],
    ['sessions', 'least(ended_at, expires_at)'],
    ['api_keys', 'least(revoked_at, expires_at)'],
    ['password_links', 'expires_at']
  ]) {
    const plan = await owner.query(`explain select ctid from ${table} where ${over} < now() order by ${over} limit 10`)
    const text = JSON.stringify(plan.rows)
    t.match(text, /Index Scan/)
    t.notMatch(text, /Sort/)
  }
})

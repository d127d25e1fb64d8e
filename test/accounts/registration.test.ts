/** How accounts begin, change their passwords, and end their log-ins. */
import assert from 'node:assert/strict'
import pg from 'pg'
import t from 'tap'
import { Value } from 'typebox/value'
import { Session, User } from '#schema/user'
import { makeUser } from '../../infra/postgres/user.js'
import { askTokens, bearer, createUser, logIn, PASSWORD, refresh } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { startGateway } from '../helpers/processes.js'
import { clientOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t, { OPEN_REGISTRATION: 'true' })
const ENOUGH = 'warm honey on toast'

const call = (method: string, path: string, headers: Record<string, string>, body?: unknown) =>
  fetch(stack.gateway.url + path, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
const json = async (answer: Response) => Object(await answer.json())
const canLogIn = async (username: string, password: string) =>
  (await askTokens(stack, { grant_type: 'password', username, password })).status === 200

t.test('anyone may make an account where registration is open, and is a user then', async (t) => {
  const answer = await stack.post('/api/users', { username: 'Bea@Example.org', password: ENOUGH })
  t.equal(answer.status, 201)
  const user = await json(answer)
  t.ok(Value.Check(User, user))
  t.match(user, { username: 'bea@example.org', role: 'user' })
  t.ok(await canLogIn('BEA@example.org', ENOUGH), 'capitals do not count in a name')

  const taken = await stack.post('/api/users', { username: 'bea@EXAMPLE.org', password: ENOUGH })
  t.equal(taken.status, 409)
  t.match(await json(taken), { code: 'USERNAME_TAKEN' })
})

t.test('it is closed unless it was opened', async (t) => {
  const closed = await startGateway(t, stack.env)
  const { post } = clientOf(() => closed.url)
  t.equal((await post('/api/users', { username: 'late', password: ENOUGH })).status, 404)
})

t.test(
  'a password must be long enough and not among those that are tried first; what it is, nothing tells',
  async (t) => {
    const weak = ['short', 'password', 'Passw0rd!', '12345678', 'carla-carla', 'a'.repeat(129)]
    for (const password of weak) {
      const answer = await stack.post('/api/users', { username: 'carla', password })
      t.equal(answer.status, 422, password)
      const text = await answer.text()
      t.match(JSON.parse(text), { code: 'INVALID_BODY', errors: [{ pointer: '/password' }] })
      t.notOk(text.includes(`"${password}"`))
    }
    t.equal((await stack.post('/api/users', { username: 'carla', password: 'é'.repeat(8) })).status, 422)
    t.equal((await stack.post('/api/users', { username: 'a b', password: ENOUGH })).status, 422)
  }
)

t.test('nobody registers with a role, an id or an owner', async (t) => {
  for (const field of ['role', 'id', 'owner_id', 'scopes', 'disabled_at', 'password_hash', '__proto__']) {
    const body = `{"username": "mallory", "password": "${ENOUGH}", "${field}": "operator"}`
    const answer = await fetch(`${stack.gateway.url}/api/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    t.ok([400, 422].includes(answer.status), field)
  }
  t.strictSame(await stack.sql(`select from users where username = 'mallory'`), [])
})

t.test('who changes the password stays logged in, and all others are out', async (t) => {
  await createUser(stack, 'dora')
  const [here, there] = await Promise.all([logIn(stack, 'dora'), logIn(stack, 'dora')])
  const change = (body: object) => call('PUT', '/api/users/me/password', bearer(here.access_token), body)
  t.match(await json(await change({ current: 'wrong guess', password: ENOUGH })), {
    status: 422,
    code: 'WRONG_PASSWORD'
  })
  t.match(await json(await change({ current: PASSWORD, password: 'qwertyuiop' })), { status: 422 })
  t.equal((await change({ current: PASSWORD, password: ENOUGH })).status, 204)
  t.equal((await stack.get('/api/users/me', bearer(here.access_token))).status, 200)
  t.equal((await stack.get('/api/users/me', bearer(there.access_token))).status, 401)
  t.equal((await refresh(stack, there.refresh_token)).status, 400)
  t.strictSame([await canLogIn('dora', PASSWORD), await canLogIn('dora', ENOUGH)], [false, true])
})

t.test('a link chooses a password once, and ends every log-in', async (t) => {
  await createUser(stack, 'emil')
  const { access_token } = await logIn(stack, 'emil')
  const url = String(stack.env.DATABASE_URL)
  const [first, second] = [await makeUser(url, { name: 'emil' }), await makeUser(url, { name: 'emil' })]
  const choose = (token: string, password = ENOUGH) => stack.post('/api/users/password', { token, password })
  t.equal((await choose(first.token, 'password')).status, 422, 'a refused password leaves the link good')
  const answers = await Promise.all([1, 2, 3, 4].map(() => choose(first.token)))
  t.strictSame(answers.map(({ status }) => status).sort(), [204, 410, 410, 410])
  t.equal((await choose(second.token)).status, 410, 'the other link is spent too')
  t.match(await json(await choose('nonsense')), { status: 410, code: 'LINK_GONE' })
  t.equal((await stack.get('/api/users/me', bearer(access_token))).status, 401)
  t.strictSame([await canLogIn('emil', PASSWORD), await canLogIn('emil', ENOUGH)], [false, true])

  const late = await makeUser(url, { name: 'emil' })
  await stack.sql(`update password_links set expires_at = now() - interval '1 s' where used_at is null`)
  t.equal((await choose(late.token)).status, 410)
})

t.test('a log-in that is under way while the password changes is let in no more by the old one', async (t) => {
  await createUser(stack, 'hanna')
  const client = new pg.Client({ connectionString: stack.postgres.ownerUrl })
  await client.connect()
  t.teardown(() => client.end())
  await client.query('begin')
  await client.query(`update users set password_changed_at = now() where username = 'hanna'`)
  const login = { username: 'hanna', password: PASSWORD }
  const answers = [askTokens(stack, { grant_type: 'password', ...login }), stack.postForm('/login', login)]
  await eventually(async () => {
    const waiting = await stack.sql(`select from pg_stat_activity where wait_event_type = 'Lock'`)
    assert.equal(waiting.length, answers.length, 'the password was right, and they are about to begin')
  })
  await client.query('commit')
  t.strictSame(
    (await Promise.all(answers)).map(({ status }) => status),
    [400, 422]
  )
  const [row] = await stack.sql(`select from sessions join users on users.id = user_id where username = 'hanna'`)
  t.notOk(row)
  t.ok(await canLogIn('hanna', PASSWORD))
})

t.test('log-ins are listed, and each can be ended by its user alone', async (t) => {
  await Promise.all([createUser(stack, 'fritz'), createUser(stack, 'gerda')])
  const [here, there, stranger] = await Promise.all(['fritz', 'fritz', 'gerda'].map((name) => logIn(stack, name)))
  const mine = bearer(here?.access_token ?? '')
  const list = async () => (await json(await stack.get('/api/users/me/sessions', mine))).items
  const items = await list()
  t.equal(items.length, 2)
  t.ok(items.every((item: unknown) => Value.Check(Session, item)))
  const other = items.find(({ current }: { current: boolean }) => !current)
  const end = (headers: Record<string, string>) => call('DELETE', `/api/users/me/sessions/${other.id}`, headers)
  t.equal((await end(bearer(stranger?.access_token ?? ''))).status, 404)
  t.equal((await end(mine)).status, 204)
  t.equal((await end(mine)).status, 404)
  t.equal((await stack.get('/api/users/me', bearer(there?.access_token ?? ''))).status, 401)
  t.equal((await list()).length, 1)
})

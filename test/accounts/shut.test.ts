/** An account is shut, and opened again, by the command that makes accounts. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { makeUser } from '../../infra/postgres/user.js'
import { askTokens, bearer, createUser, logIn, PASSWORD, refresh } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { startGateway } from '../helpers/processes.js'
import { CONTACT, clientOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t)
const other = await startGateway(t, stack.env)
const gateways = [stack, clientOf(() => other.url)]

const script = join(import.meta.dirname, '../../infra/postgres/user.js')
const makeIt = (env: object): Promise<{ code?: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [script], {
    env: { DATABASE_URL: String(stack.env.DATABASE_URL), ...env }
  }).catch((error) => error)
const json = async (answer: Response) => Object(await answer.json())
const askPassword = (username: string) => askTokens(stack, { grant_type: 'password', username, password: PASSWORD })

t.test('a shut account opens nothing, anywhere, within a second; open again it begins anew', async (t) => {
  await Promise.all(['ada', 'grace'].map((name) => createUser(stack, name)))
  const [tokens, hers] = [await logIn(stack, 'ada'), await logIn(stack, 'grace')]
  const { key } = await json(await stack.post('/api/users/me/keys', { name: 'x' }, bearer(tokens.access_token)))
  const page = await stack.postForm('/login', { username: 'ada', password: PASSWORD })
  const cookie = (page.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  const link = await makeUser(String(stack.env.DATABASE_URL), { name: 'ada' })
  const job = await json(await stack.post('/async/contact', CONTACT, bearer(key)))
  const shown: Record<string, string>[] = [
    bearer(tokens.access_token),
    bearer(key),
    { 'x-api-key': String(key) },
    { cookie }
  ]
  const statuses = () =>
    Promise.all(
      gateways.flatMap(({ get }) => shown.map(async (headers) => (await get('/api/users/me', headers)).status))
    )
  t.ok((await statuses()).every((status) => status === 200))

  const shut = await makeIt({ NAME: 'Ada', SHUT: '1' })
  t.equal(shut.stdout, 'shut: Ada; ended: log-ins 2, keys 1. OPEN=1 opens it again\n')
  await eventually(async () => assert.ok((await statuses()).every((status) => status === 401)), {
    pause: 10,
    timeout: 5_000
  })
  t.match(await json(await refresh(stack, tokens.refresh_token)), { error: 'invalid_grant' })
  t.equal((await stack.post('/api/users/password', { token: link.token, password: 'warm honey on toast' })).status, 410)
  t.equal((await stack.postForm('/login', { username: 'ada', password: PASSWORD })).status, 422)
  const [known, unknown] = await Promise.all(['ada', 'nobody'].map(async (name) => (await askPassword(name)).text()))
  t.equal(known, unknown, 'nothing tells that there is such an account')
  t.equal((await stack.get('/api/users/me', bearer(hers.access_token))).status, 200, 'others go on')
  t.match(await stack.sql('select state from jobs where id = $1', [job.id]), [{ state: 'queued' }], 'and so do jobs')

  t.match(await makeIt({ NAME: 'ada' }), { code: 1, stderr: /ada is shut; make user NAME=ada OPEN=1 opens it/ })
  t.match(await makeIt({ NAME: 'ada', ROLE: 'operator' }), { code: 1 })
  t.match(await stack.sql(`select role, disabled_at from users where username = 'ada'`), [
    { role: 'user', disabled_at: Date }
  ])

  const open = await makeIt({ NAME: 'ada', OPEN: '1' })
  t.match(open.stdout, /^account: ada \(user\), open again\n.*\/password#[\w-]{43}\n$/s)
  t.equal((await askPassword('ada')).status, 200)
  t.ok(
    (await statuses()).every((status) => status === 401),
    'what ended stays ended'
  )
  t.match(await json(await refresh(stack, tokens.refresh_token)), { error: 'invalid_grant' })
  t.equal((await stack.post('/api/users/password', { token: link.token, password: 'warm honey on toast' })).status, 410)
})

t.test('a key that is made while the account is being shut is none', async (t) => {
  await createUser(stack, 'emil')
  const { access_token } = await logIn(stack, 'emil')
  const client = new pg.Client({ connectionString: stack.postgres.ownerUrl })
  await client.connect()
  t.teardown(() => client.end())
  await client.query('begin')
  await client.query(`update users set disabled_at = now() where username = 'emil'`)
  const answer = stack.post('/api/users/me/keys', { name: 'x' }, bearer(access_token))
  await eventually(async () => {
    const waiting = await stack.sql(`select from pg_stat_activity where wait_event_type = 'Lock'`)
    assert.equal(waiting.length, 1)
  })
  await client.query('commit')
  t.equal((await answer).status, 409)
  t.strictSame(
    await stack.sql(`select from api_keys join users on users.id = user_id where username = 'emil'`),
    [],
    'opening the account again would have made it good'
  )
})

t.test('what cannot be meant is said', async (t) => {
  await createUser(stack, 'bea')
  t.match(await makeIt({ NAME: 'nobody', SHUT: '1' }), { code: 1, stderr: /there is no account nobody/ })
  t.match(await makeIt({ NAME: 'nobody', OPEN: '1' }), { code: 1, stderr: /no account nobody that is shut/ })
  t.match(await makeIt({ NAME: 'bea', OPEN: '1' }), { code: 1, stderr: /no account bea that is shut/ })
  t.match(await makeIt({ NAME: 'bea', SHUT: '1', OPEN: '1' }), { code: 1, stderr: /SHUT=1 goes alone/ })
  t.match(await makeIt({ NAME: 'bea', SHUT: '0' }), { code: 1, stderr: /SHUT must be 1/ })
  t.equal((await askPassword('bea')).status, 200)
  t.strictSame(await stack.sql(`select from users where username = 'nobody'`), [])
  t.equal((await makeIt({ NAME: 'bea', SHUT: '1' })).stdout.slice(0, 9), 'shut: bea')
  t.match(await makeIt({ NAME: 'bea', SHUT: '1' }), { stdout: /log-ins 0, keys 0/ }, 'twice does no harm')
})

/** Log-in by password, refresh, revocation (RFC 6749, 6750, 7009, 8414), on real servers. */
import assert from 'node:assert/strict'
import t from 'tap'
import { Value } from 'typebox/value'
import { TokenAnswer } from '#schema/user'
import { findFreePort } from '../../infra/local/ports.js'
import { askTokens, bearer, createUser, logIn, PASSWORD, refresh, type Tokens } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { inParallel } from '../helpers/in-parallel.js'
import { startGateway } from '../helpers/processes.js'
import { CONTACT, clientOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t)
await createUser(stack, 'ada')

const me = (token: string) => stack.get('/api/users/me', bearer(token))
const errorOf = async (answer: Response) => Object(await answer.json()).error

t.test('D4 C16 a name and a password, form-encoded, give a bearer token that expires', async (t) => {
  const answer = await askTokens(stack, { grant_type: 'password', username: 'Ada', password: PASSWORD })
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('cache-control'), 'no-store')
  const tokens: unknown = await answer.json()
  t.ok(Value.Check(TokenAnswer, tokens))
  t.match(tokens, { token_type: 'Bearer', expires_in: 900, scope: 'read write account' })
  const { access_token } = Object(tokens)
  t.match(await (await me(access_token)).json(), { user: { username: 'ada', role: 'user' } })
})

t.test('D4 what is wrong is said as RFC 6749 has it', async (t) => {
  const cases: [Record<string, string>, number, string][] = [
    [{ grant_type: 'password', username: 'ada', password: 'wrong horse' }, 400, 'invalid_grant'],
    [{ grant_type: 'password', username: 'nobody', password: PASSWORD }, 400, 'invalid_grant'],
    [{ grant_type: 'password', username: 'ada', password: PASSWORD.repeat(20) }, 400, 'invalid_grant'],
    [{ grant_type: 'password', username: 'ada' }, 400, 'invalid_request'],
    [{ grant_type: 'password', username: 'ada', password: '' }, 400, 'invalid_request'],
    [{ grant_type: 'password', username: 'a\0da', password: PASSWORD }, 400, 'invalid_request'],
    [{ username: 'ada', password: PASSWORD }, 400, 'invalid_request'],
    [{ grant_type: 'client_credentials' }, 400, 'unsupported_grant_type'],
    [{ grant_type: 'password', username: 'ada', password: PASSWORD, scope: 'root' }, 400, 'invalid_scope'],
    [{ grant_type: 'password', username: 'ada', password: PASSWORD, scope: 'operate' }, 400, 'invalid_scope'],
    [{ grant_type: 'password', username: 'ada', password: PASSWORD, client_id: 'other' }, 401, 'invalid_client'],
    [{ grant_type: 'refresh_token', refresh_token: 'ref_nothing' }, 400, 'invalid_grant'],
    [{ grant_type: 'refresh_token' }, 400, 'invalid_request']
  ]
  for (const [fields, status, error] of cases) {
    const answer = await askTokens(stack, fields)
    t.equal(answer.status, status, JSON.stringify(fields))
    t.match(await answer.json(), { error, error_description: /./ })
  }
  const twice = await stack.postForm('/api/oauth/token', 'grant_type=password&grant_type=password')
  t.equal(await errorOf(twice), 'invalid_request')
  const json = await stack.post('/api/oauth/token', { grant_type: 'password' })
  t.equal(json.status, 400)
  t.equal(await errorOf(json), 'invalid_request')
})

t.test('a known and an unknown name get the same answer', async (t) => {
  const answers = await Promise.all(
    ['ada', 'nobody'].map((username) => askTokens(stack, { grant_type: 'password', username, password: 'guess-guess' }))
  )
  const [known, unknown] = await Promise.all(answers.map((answer) => answer.text()))
  t.equal(known, unknown)
})

t.test('a token can be asked for less than its user may do', async (t) => {
  const { access_token, scope, refresh_token } = await logIn(stack, 'ada', { scope: 'read' })
  t.equal(scope, 'read')
  t.equal((await logIn(stack, 'ada', { scope: 'operate write' })).scope, 'write', 'and is given no more')
  t.equal((await me(access_token)).status, 200)
  const refused = await stack.get('/api/users/me/keys', bearer(access_token))
  t.equal(refused.status, 403)
  t.match(refused.headers.get('www-authenticate'), /^Bearer realm="api", error="insufficient_scope", scope="account"$/)
  t.match(await refused.json(), { code: 'SCOPE_MISSING' })
  const more = await askTokens(stack, { grant_type: 'refresh_token', refresh_token, scope: 'read write' })
  t.equal(await errorOf(more), 'invalid_scope', 'nor does a refresh give more')
  await stack.sql(`update refresh_tokens set used_at = used_at - interval '11 s' where used_at is not null`)
  t.equal((await refresh(stack, refresh_token)).status, 200, 'and the token is not spent by that')
})

t.test('a refresh token is good once, and access is no refresh', async (t) => {
  const first = await logIn(stack, 'ada')
  const answer = await refresh(stack, first.refresh_token)
  t.equal(answer.status, 200)
  const second: Tokens = JSON.parse(await answer.text())
  t.not(second.refresh_token, first.refresh_token)
  t.equal((await me(second.access_token)).status, 200)
  t.equal(await errorOf(await refresh(stack, second.access_token)), 'invalid_grant')
  t.equal((await me(second.refresh_token)).status, 401)
})

t.test('50 refreshes at once do not log a good client out: all are given the same next token', async (t) => {
  const { refresh_token } = await logIn(stack, 'ada')
  const answers = await inParallel(
    Array.from({ length: 50 }, (_, i) => i),
    () => refresh(stack, refresh_token),
    50
  )
  const tokens: Tokens[] = await Promise.all(answers.map(async (answer) => JSON.parse(await answer.text())))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(new Set(tokens.map((one) => one.refresh_token)).size, 1)
  const last = tokens.at(-1)
  t.equal((await refresh(stack, last?.refresh_token ?? '')).status, 200, 'and it goes on')
})

t.test('a refresh token that comes again later has been stolen: the whole family ends within a second', async (t) => {
  const first = await logIn(stack, 'ada')
  const second: Tokens = JSON.parse(await (await refresh(stack, first.refresh_token)).text())
  t.equal((await me(second.access_token)).status, 200)
  await stack.sql(`update refresh_tokens set used_at = used_at - interval '11 s' where used_at is not null`)
  t.equal(await errorOf(await refresh(stack, first.refresh_token)), 'invalid_grant')
  t.equal(await errorOf(await refresh(stack, second.refresh_token)), 'invalid_grant', 'the thief or the owner')
  t.equal((await me(second.access_token)).status, 401)
  const [session] = await stack.sql(`select ended_because from sessions where ended_because = 'token_reused'`)
  t.ok(session)
})

t.test('log-out revokes access and refresh, in this gateway and within a second in the others', async (t) => {
  const other = await startGateway(t, stack.env)
  const elsewhere = clientOf(() => other.url)
  const { access_token, refresh_token } = await logIn(stack, 'ada')
  t.equal((await elsewhere.get('/api/users/me', bearer(access_token))).status, 200)
  t.equal((await stack.postForm('/api/oauth/revoke', { token: refresh_token })).status, 200)
  t.equal((await me(access_token)).status, 401)
  await eventually(async () => assert.equal((await elsewhere.get('/api/users/me', bearer(access_token))).status, 401), {
    pause: 10,
    timeout: 5_000
  })
  t.equal(await errorOf(await refresh(stack, refresh_token)), 'invalid_grant')
  t.equal((await stack.postForm('/api/oauth/revoke', { token: 'nonsense' })).status, 200, 'RFC 7009 §2.2')
})

t.test('an account that is shut, and a log-in whose time is over, open nothing', async (t) => {
  await createUser(stack, 'brief')
  const { access_token, refresh_token } = await logIn(stack, 'brief')
  await stack.sql(
    `update sessions set expires_at = now() - interval '1 s' where user_id = (select id from users where username = 'brief')`
  )
  await eventually(async () => assert.equal((await me(access_token)).status, 401))
  t.equal(await errorOf(await refresh(stack, refresh_token)), 'invalid_grant')

  const unused = await logIn(stack, 'brief')
  await stack.sql(
    `update sessions set last_used_at = now() - interval '169 hours' where user_id = (select id from users where username = 'brief')`
  )
  await eventually(async () => assert.equal((await me(unused.access_token)).status, 401))
  t.equal(await errorOf(await refresh(stack, unused.refresh_token)), 'invalid_grant', 'nobody used it for a week')

  const again = await logIn(stack, 'brief')
  await stack.sql(`update users set disabled_at = now() where username = 'brief'`)
  await eventually(async () => assert.equal((await me(again.access_token)).status, 401))
  t.equal(await errorOf(await refresh(stack, again.refresh_token)), 'invalid_grant')
  const shut = await askTokens(stack, { grant_type: 'password', username: 'brief', password: PASSWORD })
  t.equal(await errorOf(shut), 'invalid_grant')
})

t.test('who is refused is told how to log in (RFC 6750)', async (t) => {
  const nobody = await stack.get('/api/users/me')
  t.equal(nobody.status, 401)
  t.equal(nobody.headers.get('www-authenticate'), 'Bearer realm="api"')
  const wrong = await me('nonsense')
  t.match(wrong.headers.get('www-authenticate'), /^Bearer realm="api", error="invalid_token"/)
})

t.test('a bearer token that got lost or broken on the way is not taken for none', async (t) => {
  const { access_token } = await logIn(stack, 'ada')
  for (const authorization of [
    'Bearer',
    'bearer',
    'Bearer a b',
    `Bearer ${access_token},`,
    `Bearer ${access_token} x`
  ]) {
    const answer = await stack.post('/sync/contact', CONTACT, { authorization })
    t.equal(answer.status, 401, authorization)
  }
  t.equal((await me(access_token)).status, 200)
})

t.test('without PUBLIC_URL a token of one gateway is good at another, whatever its port', async (t) => {
  const other = await startGateway(t, { ...stack.env, PORT: String(await findFreePort()) })
  const elsewhere = clientOf(() => other.url)
  t.not(new URL(other.url).host, new URL(stack.gateway.url).host)
  const { access_token, refresh_token } = await logIn(stack, 'ada')
  t.equal((await elsewhere.get('/api/users/me', bearer(access_token))).status, 200)
  const answer = await refresh(elsewhere, refresh_token)
  t.equal(answer.status, 200)
  const next: Tokens = JSON.parse(await answer.text())
  t.equal((await me(next.access_token)).status, 200, 'and back')
  for (const { url } of [stack.gateway, other]) {
    t.match(
      await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json(),
      { issuer: url, token_endpoint: `${url}/api/oauth/token` },
      'each tells the address at which it was asked'
    )
  }
})

t.test('where tokens are had is told (RFC 8414), and the password grant can be switched off', async (t) => {
  const strict = await startGateway(t, { ...stack.env, PROGRAM_LOGIN: 'false', PUBLIC_URL: 'https://beeline.example' })
  const { get, postForm } = clientOf(() => strict.url)
  t.match(await (await get('/.well-known/oauth-authorization-server')).json(), {
    issuer: 'https://beeline.example',
    token_endpoint: 'https://beeline.example/api/oauth/token',
    grant_types_supported: ['refresh_token']
  })
  const fields = { grant_type: 'password', username: 'ada', password: PASSWORD }
  t.equal(await errorOf(await postForm('/api/oauth/token', fields)), 'unsupported_grant_type')
  const { access_token } = await logIn(stack, 'ada')
  t.equal((await get('/api/users/me', bearer(access_token))).status, 401, 'tokens of another installation are not good')
})

t.test('A15 the database holds passwords and tokens only as hashes, with their parameters', async (t) => {
  const [row] = await stack.sql<{ password_hash: string }>(`select password_hash from users where username = 'ada'`)
  t.match(row?.password_hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  const { refresh_token } = await logIn(stack, 'ada')
  const [count] = await stack.sql<{ n: number }>(
    `select count(*)::int as n from refresh_tokens where hash = sha256($1::text::bytea)`,
    [refresh_token]
  )
  t.equal(count?.n, 1)
})

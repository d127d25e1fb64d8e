/** API keys: several, named, scoped, expiring, revocable. */
import assert from 'node:assert/strict'
import t from 'tap'
import { Value } from 'typebox/value'
import { ApiKey } from '#schema/user'
import { bearer, createUser, logIn } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { inParallel } from '../helpers/in-parallel.js'
import { KEY, startGateway } from '../helpers/processes.js'
import { clientOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t)
await Promise.all([createUser(stack, 'ada'), createUser(stack, 'grace'), createUser(stack, 'olga', 'operator')])
const [ada, grace, olga] = await Promise.all(
  ['ada', 'grace', 'olga'].map(async (name) => bearer((await logIn(stack, name)).access_token))
)

async function create(headers: Record<string, string> | undefined, body: object) {
  const answer = await stack.post('/api/users/me/keys', body, headers)
  return { status: answer.status, headers: answer.headers, body: Object(await answer.json()) }
}
const me = (key: string) => stack.get('/api/users/me', { 'x-api-key': key })

t.test('E5 without a key 401, with a wrong one 401, with the right one 200', async (t) => {
  t.equal((await stack.get('/api/jobs')).status, 401)
  for (const wrong of [
    'nonsense',
    `${KEY['x-api-key']}x`,
    KEY['x-api-key'].slice(1),
    `bee_00000000_${'a'.repeat(43)}`
  ]) {
    t.equal((await stack.get('/api/jobs', { 'x-api-key': wrong })).status, 401, wrong)
    t.equal((await stack.get('/api/jobs', bearer(wrong))).status, 401, wrong)
  }
  t.equal((await stack.get('/api/jobs', KEY)).status, 200)
  t.equal((await stack.get('/api/jobs', bearer(KEY['x-api-key']))).status, 200)
  t.match(await (await stack.get('/api/users/me', KEY)).json(), {
    user: null,
    scopes: ['read', 'write', 'account', 'operate']
  })
})

t.test('E5 several named keys; each is shown once, listed by its first letters, and works both ways', async (t) => {
  const first = await create(ada, { name: 'laptop' })
  t.equal(first.status, 201)
  t.match(first.body, {
    name: 'laptop',
    key: /^bee_[0-9a-f]{8}_[\w-]{43}$/,
    scopes: ['read', 'write'],
    expires_at: null
  })
  const second = await create(ada, { name: 'phone', expires_in_days: 30 })
  for (const { body } of [first, second]) {
    t.match(await (await me(body.key)).json(), { user: { username: 'ada' } })
    t.equal((await stack.get('/api/users/me', bearer(body.key))).status, 200)
  }
  const guess = `${first.body.key.slice(0, -4)}AAAA`
  t.equal((await me(guess)).status, 401, 'its first letters alone are nothing')
  const answer = await stack.get('/api/users/me/keys', ada)
  const text = await answer.text()
  const { items } = JSON.parse(text)
  t.strictSame(
    items.map(({ name }: { name: string }) => name),
    ['phone', 'laptop']
  )
  t.ok(items.every((item: unknown) => Value.Check(ApiKey, item)))
  t.notMatch(text, first.body.key)
  t.ok(first.body.key.startsWith(items[1].prefix))
  await eventually(async () => {
    const listed = await (await stack.get('/api/users/me/keys', ada)).json()
    assert.ok(Object(listed).items[0].last_used_at, 'its last use is noted')
  })
})

t.test('E5 a revoked key opens nothing: here at once, elsewhere within a second', async (t) => {
  const other = await startGateway(t, stack.env)
  const elsewhere = clientOf(() => other.url)
  const { body } = await create(ada, { name: 'lost' })
  const askElsewhere = async () => (await elsewhere.get('/api/users/me', bearer(body.key))).status
  t.equal(await askElsewhere(), 200)
  t.equal((await stack.get('/api/users/me', grace)).status, 200)

  const remove = (headers = {}) =>
    fetch(`${stack.gateway.url}/api/users/me/keys/${body.id}`, { method: 'DELETE', headers })
  t.equal((await remove(grace)).status, 404, 'a stranger finds no such key')
  t.equal((await me(body.key)).status, 200)
  t.equal((await remove(ada)).status, 204)
  t.equal((await me(body.key)).status, 401)
  await eventually(async () => assert.equal(await askElsewhere(), 401), { pause: 10, timeout: 5_000 })
  t.equal((await remove(ada)).status, 404)
})

t.test('a key that has expired opens nothing', async (t) => {
  const { body } = await create(ada, { name: 'old', expires_in_days: 1 })
  t.equal((await me(body.key)).status, 200)
  await stack.sql(`update api_keys set expires_at = now() - interval '1 s' where id = $1`, [body.id])
  await eventually(async () => assert.equal((await me(body.key)).status, 401))
})

t.test('of 100 keys those count that still open something', async (t) => {
  const made = () => create(grace, { name: 'one of many', expires_in_days: 1 })
  const answers = await inParallel([...Array(100).keys()], made, 8)
  t.ok(answers.every(({ status }) => status === 201))
  t.match(await made(), { status: 409, body: { code: 'TOO_MANY_KEYS' } })
  await stack.sql(`update api_keys set expires_at = now() - interval '1 s' where name = 'one of many'`)
  t.match(await made(), { status: 201 }, 'what is not listed any more is in nobody’s way')
})

t.test('a key does what its scopes say, and gives no more than its maker has', async (t) => {
  const reader = (await create(ada, { name: 'reader', scopes: ['read'] })).body.key
  t.equal((await me(reader)).status, 200)
  t.equal((await stack.post('/api/jobs/replay', { dry_run: true }, bearer(reader))).status, 403)
  t.equal((await create(bearer(reader), { name: 'more' })).status, 403, 'it manages no account')
  const keeper = (await create(ada, { name: 'keeper', scopes: ['account'] })).body.key
  t.match(await create(bearer(keeper), { name: 'more', scopes: ['write'] }), {
    status: 403,
    body: { code: 'SCOPE_MISSING' }
  })
  t.match(await create(bearer(keeper), { name: 'more' }), { status: 403, body: { code: 'SCOPE_MISSING' } })
  t.match(await create(bearer(keeper), { name: 'more', scopes: ['account'] }), { status: 201 })
  t.match(await create(ada, { name: 'more', scopes: ['operate'] }), { status: 403 })
  t.match(await create(olga, { name: 'operator' }), { status: 201, body: { scopes: ['read', 'write', 'operate'] } })
})

t.test('the page of the account gives no more either, and nothing that is no scope', async (t) => {
  const make = (name: string, may: string) => stack.postForm('/account/keys', { name, may }, ada)
  for (const may of ['read operate', 'read other', 'read read', 'read ', '']) {
    const answer = await make('too much', may)
    t.match({ status: answer.status, ...Object(await answer.json()) }, { status: 403, code: 'SCOPE_MISSING' }, may)
  }
  t.equal((await make('of the page', 'read write')).status, 200)
  const made = await stack.sql(`select name, scopes from api_keys where name in ('too much', 'of the page')`)
  t.match(made, [{ name: 'of the page', scopes: ['read', 'write'] }])
})

t.test('a key cannot be given an owner, an id or a hash', async (t) => {
  for (const field of ['owner_id', 'user_id', 'id', 'prefix', 'key', 'hash', 'role', 'revoked_at']) {
    const { status, body } = await create(ada, { name: 'mine', [field]: 'x' })
    t.match({ status, body }, { status: 422, body: { errors: [{ pointer: `/${field}` }] } }, field)
  }
})

t.test('the key of the environment has no account', async (t) => {
  t.match(await create(KEY, { name: 'x' }), { status: 403, body: { code: 'NO_ACCOUNT' } })
})

import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import t from 'tap'
import { createCounts } from '../../plugins/limits/counts.js'
import { askTokens, bearer, createUser, logIn, PASSWORD } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { inParallel } from '../helpers/in-parallel.js'
import { KEY, startGateway } from '../helpers/processes.js'
import { startRedis } from '../helpers/services.js'
import { clientOf, startStack } from '../helpers/stack.js'

t.test('what one process counts, the others know a moment later, until the window is over', async (t) => {
  const service = await startRedis(t)
  const redis = new Redis(service.url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  await eventually(() => assert.equal(redis.status, 'ready'))
  const [here, there] = [1, 2].map(() => createCounts({ redis, prefix: 'x:', windowMs: 2_000 }))
  if (!here || !there) throw new Error('unreachable')
  for (const counts of [here, there]) t.teardown(counts.stop)

  for (let i = 0; i < 10; i++) here.add('ada')
  t.equal(here.add('ada').count, 11)
  t.equal(there.add('ada').count, 1)
  await eventually(async () => assert.ok(there.add('ada').count > 11))
  t.equal(there.add('grace').count, 1, 'others have their own')
  t.ok((await redis.pttl('x:ada')) > 0, 'and Redis forgets them')
  await eventually(() => assert.ok(here.add('ada').count < 5, 'a new window'), { pause: 500 })

  await t.test('and alone while Redis is away', async (t) => {
    await service.kill()
    const before = here.add('away').count
    t.equal(here.add('away').count, before + 1)
    await service.start()
    await eventually(async () => assert.ok(Number(await redis.get('x:away').catch(() => 0)) >= 2), { timeout: 15_000 })
  })
})

t.test('a caller of the private part has so many requests a minute, in all gateways together', async (t) => {
  const stack = await startStack(t, { REQUESTS_PER_MINUTE: '20' })
  const other = await startGateway(t, { ...stack.env, REQUESTS_PER_MINUTE: '20' })
  const elsewhere = clientOf(() => other.url)
  const statuses = await inParallel([...Array(30).keys()], async () => (await stack.get('/api/jobs', KEY)).status)
  t.strictSame([statuses.filter((one) => one === 200).length, statuses.filter((one) => one === 429).length], [20, 10])
  const refused = await stack.get('/api/jobs', KEY)
  t.match(await refused.json(), { code: 'TOO_MANY_REQUESTS' })
  const wait = Number(refused.headers.get('retry-after'))
  t.ok(wait >= 1 && wait <= 60)
  await eventually(async () => assert.equal((await elsewhere.get('/api/jobs', KEY)).status, 429))
  t.equal((await stack.get('/sync/contact')).status, 200, 'the open part is not counted')
})

t.test('log-ins and refreshes, and keys that are made, are held to the limit on submissions, each apart', async (t) => {
  const stack = await startStack(t, { SUBMISSIONS_PER_MINUTE: '4' })
  await createUser(stack, 'ada')
  const { access_token } = await logIn(stack, 'ada')
  const statuses: number[] = []
  const send = async (answer: Promise<Response>) => statuses.push((await answer).status)
  await send(askTokens(stack, { grant_type: 'refresh_token', refresh_token: 'ref_x' }))
  await send(stack.postForm('/api/oauth/revoke', { token: 'ref_x' }))
  await send(stack.postForm('/login', { username: 'ada', password: PASSWORD }))
  for (const path of ['/api/oauth/token', '/api/oauth/revoke', '/login']) await send(stack.postForm(path, {}))
  t.strictSame(statuses, [400, 200, 303, 429, 429, 429])
  const refused = await askTokens(stack, { grant_type: 'refresh_token', refresh_token: 'ref_x' })
  t.match(await refused.json(), { status: 429, code: 'TOO_MANY_REQUESTS' })
  t.ok(Number(refused.headers.get('retry-after')) >= 1)

  statuses.length = 0
  for (let i = 0; i < 6; i++) await send(stack.post('/api/users/me/keys', { name: 'x' }, bearer(access_token)))
  t.strictSame(statuses, [201, 201, 201, 201, 429, 429])
})

t.test('without Redis each gateway holds its callers to the limit', async (t) => {
  const stack = await startStack(t, { REQUESTS_PER_MINUTE: '5' })
  await stack.redis.kill()
  const statuses: number[] = []
  for (let i = 0; i < 8; i++) statuses.push((await stack.get('/api/jobs', KEY)).status)
  t.strictSame(statuses, [200, 200, 200, 200, 200, 429, 429, 429])
})

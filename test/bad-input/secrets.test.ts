import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { type Process, startConsumer, startGateway } from '../helpers/processes.js'
import { sendRaw } from '../helpers/raw-request.js'
import { CONTACT, clientOf, startServers } from '../helpers/stack.js'

const CANARIES = {
  secret: 'canary-of-the-secret-key-0123456789abcdef',
  database: 'canary-of-the-database',
  redis: 'canary-of-the-redis',
  typed: 'canary-of-what-was-typed'
}

const { postgres, redis, env, sql } = await startServers(t)
await sql(`alter role beeline_app password '${CANARIES.database}'`)
const admin = new Redis(redis.url)
t.teardown(() => admin.disconnect())
await admin.config('SET', 'requirepass', CANARIES.redis)

const withPassword = (url: string | undefined, password: string) => Object.assign(new URL(url ?? ''), { password }).href
const settings = {
  SECRET_KEY: CANARIES.secret,
  DATABASE_URL: withPassword(env.DATABASE_URL, CANARIES.database),
  REDIS_URL: withPassword(env.REDIS_URL, CANARIES.redis),
  LOG_LEVEL: 'trace',
  COMMIT_DEADLINE_MS: '200',
  REQUEST_TIMEOUT_MS: '1000'
}
const [gateway, consumer] = await Promise.all([startGateway(t, settings), startConsumer(t, settings)])
const { get, post, postForm } = clientOf(() => gateway.url)
const typed = { ...CONTACT, name: CANARIES.typed, message: CANARIES.typed }

const logs = (...services: Process[]) => services.flatMap(({ lines }) => lines).join('\n')

/** Where a canary sings. */
const found = (text: string, canaries: Partial<typeof CANARIES> = CANARIES) =>
  Object.entries(canaries).flatMap(([name, canary]) => (text.includes(canary) ? [name] : []))

/** Every kind of error that a client can cause. */
async function collectErrors(): Promise<string> {
  const answers = await Promise.all([
    post('/sync/contact', { ...typed, age: 'x' }),
    post('/async/contact', { ...typed, [CANARIES.typed]: 1 }),
    post('/sync/contact', typed, { 'idempotency-key': 'a b' }),
    post('/sync/contact', typed, { 'content-type': 'text/xml' }),
    post('/sync/contact', typed, { 'content-encoding': 'gzip' }),
    postForm('/sync/contact', `name=${CANARIES.typed}%zz`),
    postForm('/sync/contact', { name: CANARIES.typed, website: 'x' }),
    fetch(`${gateway.url}/sync/contact`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{'
    }),
    get(`/nowhere?token=${CANARIES.typed}`),
    get('/%zz'),
    get('/async/contact/x'),
    get('/api/jobs/01940000-0000-7000-8000-000000000000'),
    get('/readyz'),
    get('/api/health')
  ])
  const raw = await sendRaw(gateway.url, ['garbage\r\n\r\n'])
  return [raw, ...(await Promise.all(answers.map((answer) => answer.text())))].join('\n')
}

const SECRETS = { secret: CANARIES.secret, database: CANARIES.database, redis: CANARIES.redis }

t.test('no error answer holds a secret, nor the log a secret or what was typed', async (t) => {
  t.equal((await post('/sync/contact', typed)).status, 201)
  t.equal((await post('/async/contact', typed)).status, 202)
  await eventually(async () => {
    const [row] = await sql<{ n: number }>(`select count(*)::int as n from submissions where mode = 'async'`)
    assert.equal(row?.n, 1)
  })
  const answers = await collectErrors()
  t.strictSame(found(answers, SECRETS), [])
  t.notMatch(answers, /node_modules|\.js:\d|insert into/)
  t.strictSame(found(logs(gateway, consumer)), [])
})

t.test('nor while Postgres and Redis are away, or refuse our passwords', async (t) => {
  await admin.config('SET', 'requirepass', 'another')
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  for (const service of [gateway, consumer]) {
    await eventually(() => assert.match(logs(service), /WRONGPASS/))
  }
  await postgres.kill()
  const refused = await Promise.all([post('/sync/contact', typed), post('/async/contact', typed)])
  for (const answer of refused) {
    t.equal(answer.status, 503)
    t.ok(answer.headers.get('retry-after'))
  }
  const answers = [await collectErrors(), ...(await Promise.all(refused.map((answer) => answer.text())))].join('\n')
  t.match(answers, /DATABASE_UNAVAILABLE|OUTCOME_UNKNOWN/)
  t.notMatch(answers, /ECONNREFUSED|127\.0\.0\.1|beeline_app/, 'nor where they are')
  t.strictSame(found(answers, SECRETS), [])
  t.strictSame(found(logs(gateway, consumer)), [])
})

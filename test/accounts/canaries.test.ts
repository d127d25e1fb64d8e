/** What proves who somebody is stands nowhere but with them: not in the database, in Redis, in a log, in an error. */
import { Redis } from 'ioredis'
import t from 'tap'
import { makeUser } from '../../infra/postgres/user.js'
import { askTokens, bearer, logIn, refresh, type Tokens } from '../helpers/accounts.js'
import { startConsumer } from '../helpers/processes.js'
import { CONTACT, startStack } from '../helpers/stack.js'

const API_KEY = 'canary-key-of-the-environment-0123456789'
const stack = await startStack(t, { LOG_LEVEL: 'trace', API_KEY, OPEN_REGISTRATION: 'true' })
const consumer = await startConsumer(t, { ...stack.env, LOG_LEVEL: 'trace', API_KEY })

const passwords = ['canary of the first password', 'canary of the second password', 'canary of a wrong password']
const [first = '', second = '', wrong = ''] = passwords
const json = async (answer: Response) => Object(await answer.json())

/** Uses every way to prove who one is, and answers all that was shown or given. */
async function useEverything(): Promise<{ secrets: string[]; errors: string }> {
  const link = await makeUser(String(stack.env.DATABASE_URL), { name: 'ada' })
  await stack.post('/api/users/password', { token: link.token, password: first })
  await stack.post('/api/users', { username: 'grace', password: second })
  const form = { grant_type: 'password', username: 'ada', password: first }
  const tokens: Tokens = JSON.parse(await (await askTokens(stack, form)).text())
  const next: Tokens = JSON.parse(await (await refresh(stack, tokens.refresh_token)).text())
  const { key } = await json(await stack.post('/api/users/me/keys', { name: 'a key' }, bearer(next.access_token)))
  const page = await stack.postForm('/login', { username: 'ada', password: first })
  const cookie = (page.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  const account = await (await stack.get('/account', { cookie, accept: 'text/html' })).text()
  const [, csrf = ''] = /name="csrf_token" value="([\w-]{43})"/.exec(account) ?? []
  const secrets = [
    link.token,
    tokens.access_token,
    tokens.refresh_token,
    next.access_token,
    next.refresh_token,
    key,
    csrf,
    API_KEY
  ]
  secrets.push(cookie.split('=')[1] ?? '', cookie.split('.')[1] ?? '')
  if (secrets.some((secret) => !secret)) throw new Error('a secret was not given')

  const answers = await Promise.all([
    stack.post('/async/contact', CONTACT, bearer(key)),
    stack.post('/sync/contact', {}, bearer(key)),
    stack.get('/api/jobs', { 'x-api-key': API_KEY }),
    stack.get('/api/jobs/x', { 'x-api-key': API_KEY }),
    stack.get('/api/jobs', bearer(`${next.access_token}x`)),
    stack.get('/api/jobs', bearer(`${key}x`)),
    stack.get(`/api/nowhere?access_token=${next.access_token}&key=${key}`),
    askTokens(stack, { ...form, password: wrong }),
    askTokens(stack, { ...form, scope: first }),
    refresh(stack, `${next.refresh_token}x`),
    stack.postForm('/api/oauth/token', `grant_type=password&password=${first}&password=${second}`),
    stack.postForm('/login', { username: 'ada', password: wrong }),
    stack.postForm('/login', { username: 'ada', password: first, more: second }),
    stack.post('/api/users', { username: 'grace', password: first }),
    stack.post('/api/users', { username: 'x', password: first }),
    stack.post('/api/users/password', { token: link.token, password: second }),
    stack.post('/api/users/me/keys', { name: 'x', key }, bearer(next.access_token)),
    stack.postForm('/logout', {}, { cookie })
  ])
  const errors = await Promise.all(answers.map((answer) => answer.text()))
  return { secrets: [...secrets, ...passwords], errors: errors.join('\n') }
}

async function dumpDatabase(): Promise<string> {
  const tables = await stack.sql<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'`
  )
  const rows = await Promise.all(
    tables.map(({ name }) => stack.sql<{ row: string }>(`select t::text as row from "${name}" as t`))
  )
  return rows
    .flat()
    .map(({ row }) => row)
    .join('\n')
}

async function dumpRedis(): Promise<string> {
  const redis = new Redis(stack.redis.url)
  const keys = await redis.keys('*')
  const values = await Promise.all(
    keys.map(async (key) => {
      const type = await redis.type(key)
      if (type === 'string') return redis.get(key)
      return type === 'hash' ? JSON.stringify(await redis.hgetall(key)) : ''
    })
  )
  redis.disconnect()
  return [...keys, ...values].join('\n')
}

/** In any spelling that a dump may have. */
const spellings = (secret: string) => [
  secret,
  Buffer.from(secret).toString('base64'),
  Buffer.from(secret).toString('hex'),
  encodeURIComponent(secret)
]

t.test('A15 no password, key, token or cookie is in a dump, a log or an error', async (t) => {
  const { secrets, errors } = await useEverything()
  const places = {
    'the database': await dumpDatabase(),
    Redis: await dumpRedis(),
    'an answer': errors,
    'the gateway’s log': stack.gateway.lines.join('\n'),
    'the consumer’s log': consumer.lines.join('\n')
  }
  t.match(places['the database'], /argon2id/)
  t.match(places['the gateway’s log'], '/api/oauth/token')
  for (const [place, text] of Object.entries(places)) {
    for (const [i, secret] of secrets.entries()) {
      t.notOk(
        spellings(secret).some((spelling) => text.includes(spelling)),
        `secret ${i} is not in ${place}`
      )
    }
  }
})

t.test('nor while the database is away', async (t) => {
  const tokens = await logIn({ ...stack, postForm: stack.postForm }, 'ada', { password: first })
  await stack.postgres.kill()
  const answers = await Promise.all([
    stack.get('/api/jobs', bearer(tokens.access_token)),
    askTokens(stack, { grant_type: 'password', username: 'ada', password: first }),
    refresh(stack, tokens.refresh_token),
    stack.postForm('/login', { username: 'ada', password: first }),
    stack.get('/api/users/me', bearer(`bee_00000000_${'a'.repeat(43)}`))
  ])
  for (const answer of answers) t.equal(answer.status, 503)
  const text = [...(await Promise.all(answers.map((answer) => answer.text()))), ...stack.gateway.lines].join('\n')
  for (const secret of [first, tokens.access_token, tokens.refresh_token]) t.notOk(text.includes(secret))
})

/** Guessing passwords: it gets slow soon, for the guesser, and never shuts anyone out for good. */
import assert from 'node:assert/strict'
import t from 'tap'
import { createThrottle, type Guess } from '../../plugins/auth/throttle.js'
import { askTokens, bearer, createUser, logIn, PASSWORD } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { inParallel } from '../helpers/in-parallel.js'
import { startStack } from '../helpers/stack.js'

const stack = await startStack(t, { TRUST_PROXY: 'loopback' })
await Promise.all(['ada', 'grace', 'emil', 'olga', 'iris'].map((name) => createUser(stack, name)))

const attempt = (username: string, password: string, address: string) =>
  stack.postForm('/api/oauth/token', { grant_type: 'password', username, password }, { 'x-forwarded-for': address })

/** How many have each status. */
function tally(answers: Response[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

t.test('of many guesses at once few are looked at, and the rest are told when to come again', async (t) => {
  const answers = await inParallel([...Array(400).keys()], (i) => attempt('ada', `guess ${i}`, '192.0.2.1'), 50)
  const { 400: looked = 0, 429: refused = 0 } = tally(answers)
  t.ok(looked >= 5 && looked <= 12, `${looked} guesses`)
  t.equal(looked + refused, 400)
  // each that is looked at makes the next pause longer: until no machine is too slow for what comes
  const last = await eventually(
    async () => {
      const answer = await attempt('ada', 'another', '192.0.2.1')
      assert.ok(Number(answer.headers.get('retry-after')) >= 6)
      return answer
    },
    { timeout: 60_000, pause: 250 }
  )
  t.match(await last.json(), { code: 'TOO_MANY_ATTEMPTS' })
  t.equal((await attempt('ada', PASSWORD, '192.0.2.1')).status, 429, 'also with the right one')
  t.equal((await attempt('ada', PASSWORD, '192.0.2.2')).status, 200, 'the owner, from elsewhere, logs in')
})

t.test('an unknown name is held up in the same way', async (t) => {
  const statuses = async (name: string, address: string) =>
    tally(await inParallel([...Array(40).keys()], (i) => attempt(name, `guess ${i}`, address), 1))
  const [known, unknown] = [await statuses('grace', '192.0.2.3'), await statuses('nobody', '192.0.2.4')]
  t.ok(Math.abs((known[400] ?? 0) - (unknown[400] ?? 0)) <= 2, JSON.stringify([known, unknown]))
})

t.test('the time that it takes does not tell whether there is such a name', async (t) => {
  const names = [...Array(6).keys()].map((i) => `known-${i}`)
  await Promise.all(names.map((name) => createUser(stack, name)))
  const times: Record<string, number[]> = { known: [], unknown: [] }
  const measure = async (kind: string, name: string, address: string) => {
    const began = performance.now()
    t.equal((await attempt(name, 'guess', address)).status, 400)
    times[kind]?.push(performance.now() - began)
  }
  for (let i = 0; i < 120; i++) {
    // by turns, so that a busy machine slows both
    const [first, second] = i % 2 ? ['known', 'unknown'] : ['unknown', 'known']
    for (const kind of [first, second]) {
      if (kind) await measure(kind, `${kind}-${i % 6}${kind === 'known' ? '' : `-${i}`}`, `198.51.${kind.length}.${i}`)
    }
  }
  const [known = 0, unknown = 0] = [times.known, times.unknown].map((all) => all?.sort((a, b) => a - b)[60])
  t.ok(unknown > known / 2 && unknown < known * 2, `${known} and ${unknown} ms`)
})

t.test('who guesses many names from one address is slowed down as well', async (t) => {
  const answers = await inParallel([...Array(120).keys()], (i) => attempt(`user-${i}`, 'guess', '192.0.2.5'), 20)
  const { 400: looked = 0 } = tally(answers)
  t.ok(looked >= 30 && looked <= 40, `${looked} guesses`)
})

t.test(
  'who guesses one name from many addresses is slowed down, and the owner at a known address is not',
  async (t) => {
    t.equal((await attempt('emil', PASSWORD, '198.51.100.1')).status, 200)
    const answers = await inParallel([...Array(120).keys()], (i) => attempt('emil', 'guess', `203.0.113.${i}`), 20)
    const { 400: looked = 0 } = tally(answers)
    t.ok(looked >= 29 && looked <= 42, `${looked} guesses`)
    // whoever comes first after a pause is looked at, and makes the next one longer: until no machine is too slow for it
    await eventually(
      async () => {
        const { headers } = await attempt('emil', 'guess', '203.0.113.200')
        assert.ok(Number(headers.get('retry-after')) >= 6)
      },
      { timeout: 60_000, pause: 250 }
    )
    const strangers = await inParallel([...Array(6).keys()], (i) => attempt('emil', 'guess', `203.0.113.20${i}`), 6)
    t.strictSame(tally(strangers), { 429: 6 }, 'strangers wait')
    t.equal((await attempt('emil', PASSWORD, '198.51.100.1')).status, 200, 'the owner does not')
    const later = await eventually(
      async () => {
        const answer = await attempt('emil', PASSWORD, '203.0.113.250')
        assert.equal(answer.status, 200)
        return answer
      },
      { timeout: 60_000, pause: 1_000 }
    )
    t.equal(later.status, 200, 'nor is anyone shut out for good')
  }
)

t.test('log-ins at a known address give a guesser nothing back', async (t) => {
  t.equal((await attempt('iris', PASSWORD, '198.51.100.3')).status, 200)
  await attempt('iris', 'guess', '203.0.113.1')
  for (let i = 0; i < 40; i++) t.equal((await attempt('iris', PASSWORD, '198.51.100.3')).status, 200)
  const answers = await inParallel([...Array(120).keys()], (i) => attempt('iris', 'guess', `203.0.113.${i}`), 20)
  const { 400: looked = 0 } = tally(answers)
  t.ok(looked <= 42, `${looked} guesses`)
})

t.test('right passwords are no guesses', async (t) => {
  for (let i = 0; i < 12; i++) t.equal((await attempt('olga', PASSWORD, '192.0.2.9')).status, 200)
  const { access_token } = await logIn(stack, 'olga')
  const change = (current: string) =>
    fetch(`${stack.gateway.url}/api/users/me/password`, {
      method: 'PUT',
      headers: { ...bearer(access_token), 'content-type': 'application/json' },
      body: JSON.stringify({ current, password: 'warm honey on toast' })
    })
  const statuses: number[] = []
  for (let i = 0; i < 8; i++) statuses.push((await change(`guess ${i}`)).status)
  t.ok(
    statuses.includes(429) && statuses.filter((one) => one === 422).length <= 7,
    'who stole a token cannot guess the password'
  )
})

t.test('Redis holds no name and no address', async (t) => {
  const { Redis } = await import('ioredis')
  const redis = new Redis(stack.redis.url)
  const keys = await redis.keys('*guess*')
  redis.disconnect()
  t.ok(keys.length > 10)
  t.notMatch(keys.join('\n'), /ada|emil|192\.0|203\.0/)
})

t.test('a process that was too busy to hear Redis in time still does what it said', async (t) => {
  const { Redis } = await import('ioredis')
  const redis = new Redis(stack.redis.url)
  t.teardown(() => redis.disconnect())
  const options = { redis, prefix: 'busy:', secret: 'x'.repeat(32) }
  const guess: Guess = { account: 'ada', address: 'a' }
  const other = createThrottle(options)
  for (let i = 0; i < 6; i++) await other.take(guess)
  const refused = t.rejects(createThrottle(options).take(guess), { code: 'TOO_MANY_ATTEMPTS' })
  for (const until = Date.now() + 700; Date.now() < until; );
  await refused
})

t.test('a Redis that hangs makes nobody wait for it', async (t) => {
  await stack.redis.freeze()
  t.equal((await attempt('grace', PASSWORD, '192.0.2.66')).status, 200)
  const statuses: number[] = []
  for (let i = 0; i < 12; i++) statuses.push((await attempt('grace', `guess ${i}`, '192.0.2.66')).status)
  t.ok(statuses.includes(429), 'and no guesser is let through')
  await stack.redis.thaw()
})

t.test('without Redis each gateway holds guesses up by itself', async (t) => {
  await stack.redis.kill()
  const answers = await inParallel([...Array(60).keys()], (i) => attempt('ada', `guess ${i}`, '192.0.2.77'), 10)
  const { 400: looked = 0, 429: refused = 0 } = tally(answers)
  t.ok(looked >= 5 && looked <= 12, `${looked} guesses`)
  t.equal(looked + refused, 60)
  t.equal((await askTokens(stack, { grant_type: 'password', username: 'ada', password: PASSWORD })).status, 200)
})

t.test('a flood of log-ins holds up nobody else: few are hashed at once, some wait, the rest are 503', async (t) => {
  const answers = inParallel(
    [...Array(400).keys()],
    (i) => attempt(`flood-${i}`, 'a guess', `198.18.${i >> 8}.${i & 255}`),
    400
  )
  let isOver = false
  const over = answers.then(() => {
    isOver = true
  })
  for (let i = 0; i < 10; i++) t.equal((await stack.get('/healthz')).status, 200)
  t.notOk(isOver, 'others are answered meanwhile')
  await over
  const { 400: looked = 0, 503: refused = 0 } = tally(await answers)
  t.equal(looked + refused, 400)
  t.ok(looked >= 100 && refused > 0, `${looked} looked at, ${refused} refused`)
})

t.test('pauses double up to their bound', async (t) => {
  const away = { eval: () => Promise.reject(new Error('away')) } as never // a Redis that never answers
  const { take, forgive } = createThrottle({ redis: away, prefix: '', secret: 'x'.repeat(32) })
  const guess: Guess = { account: 'ada', address: 'a' }
  for (let i = 0; i < 6; i++) await take(guess)
  await t.rejects(take(guess), { code: 'TOO_MANY_ATTEMPTS' })
  await forgive(guess)
  await take(guess)
  await t.rejects(take(guess), { code: 'TOO_MANY_ATTEMPTS' })
  await t.resolves(take({ ...guess, address: 'b' }))
})

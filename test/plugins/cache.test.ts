import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createCache as createAt, createSource, many, TTL } from '../helpers/cache.js'
import { eventually } from '../helpers/eventually.js'
import { startRedis } from '../helpers/services.js'

const redis = await startRedis(t)
const keys = new Redis(redis.url)
t.teardown(() => keys.disconnect())
t.beforeEach(async () => void (await keys.flushall()))

const createCache = (t: Test, url = redis.url, options?: { prefix?: string }) => createAt(t, url, options)

t.test('what was loaded is kept as it is, for at most its time, and then served without a load', async (t) => {
  const [one, other] = [await createCache(t), await createCache(t)]
  const load = async () => 'schön'
  const first = await one.remember('k', TTL, load)
  t.match(first, { hit: false, etag: /^W\/"[\w-]+"$/ })
  t.equal(first.bytes.toString(), 'schön')
  const never = () => Promise.reject(new Error('loaded again'))
  for (const cache of [one, one, other, other]) {
    const again = await cache.remember('k', TTL, never)
    t.match(again, { hit: true, etag: first.etag })
    t.equal(again.bytes.toString(), 'schön')
  }
  t.equal(await keys.get('k'), 'schön')
  const lives = []
  for (let i = 0; i < 30; i++) {
    await one.remember(`life ${i}`, TTL, load)
    lives.push(await keys.pttl(`life ${i}`))
  }
  t.ok(
    lives.every((life) => life > 0.9 * TTL - 500 && life <= TTL),
    'never longer than asked'
  )
  t.ok(Math.max(...lives) - Math.min(...lives) > 0.02 * TTL, 'not all to the same moment')
  t.ok((await keys.pttl('k:version')) > 0, 'what stands beside it ends too')
})

t.test('it is loaded anew when its time is over, though this process has a copy', async (t) => {
  const own = await createCache(t)
  const source = createSource()
  t.equal((await own.remember('k', 200, source.load)).hit, false)
  t.equal((await own.remember('k', 200, source.load)).hit, true)
  await eventually(async () => assert.equal((await own.remember('k', 200, source.load)).hit, false))
  t.equal(source.loads(), 2)
})

t.test('E12 500 parallel misses load once in a process, and once in two', async (t) => {
  const caches = [await createCache(t), await createCache(t)]
  const source = createSource()
  const open = source.hold()
  const asking = Promise.all(caches.map((cache) => many(500, () => cache.remember('k', TTL, source.load))))
  await sleep(100)
  t.equal(source.loads(), 1, 'the other process waits for who loads')
  open()
  const found = (await asking).flat()
  t.equal(found.length, 1_000)
  t.ok(found.every(({ bytes }) => bytes.toString() === '0'))
  t.equal(source.loads(), 1)
})

t.test('who loads and dies does not hold up the others for good', async (t) => {
  const own = await createCache(t)
  await keys.set('k:version', 'of nobody')
  await own.remember('k', TTL, async () => 'x')
  await own.forget('k')
  await keys.set('k:lock', 'of a process that is gone')
  t.equal((await own.remember('k', TTL, async () => 'y')).bytes.toString(), 'y')
  t.equal((await own.remember('k', TTL, async () => 'z')).bytes.toString(), 'y', 'and what it loaded is kept')
})

t.test('a load that began before a write does not put its result back', async (t) => {
  const [one, other] = [await createCache(t), await createCache(t)]
  const source = createSource()
  const open = source.hold()
  const early = one.remember('k', TTL, source.load)
  await eventually(() => assert.equal(source.loads(), 1))
  source.write()
  await other.forget('k')
  const late = one.remember('k', TTL, source.load)
  open()
  t.equal((await early).bytes.toString(), '0', 'it was asked for before the write')
  t.equal((await late).bytes.toString(), '1', 'who asked after the write is not served from that load')
  t.equal(await keys.get('k'), '1')
  for (const cache of [one, other]) t.equal((await cache.remember('k', TTL, source.load)).bytes.toString(), '1')
})

t.test('after a write was told no process shows its copy', async (t) => {
  const caches = [await createCache(t), await createCache(t), await createCache(t)]
  const source = createSource()
  for (let round = 0; round < 50; round++) {
    for (const cache of caches) await cache.remember('k', TTL, source.load)
    const written = source.write()
    await caches[round % 3]?.forget('k')
    t.equal(await keys.exists('k'), 0)
    for (const cache of caches) {
      const { bytes } = await cache.remember('k', TTL, source.load)
      if (bytes.toString() !== String(written)) t.fail(`round ${round}: ${bytes} instead of ${written}`)
    }
  }
  t.ok(source.loads() <= 51, 'one load for each write')
})

t.test('keys do not mix: each has its own value, version and lock', async (t) => {
  const own = await createCache(t)
  const other = await createCache(t, redis.url, { prefix: 'other:' })
  const load = (value: string) => async () => value
  const pairs = Array.from({ length: 200 }, (_, n) => `user:${n % 20}`)
  const found = await Promise.all(pairs.map((key) => own.remember(key, TTL, load(`of ${key}`))))
  t.strictSame(
    found.map(({ bytes }) => bytes.toString()),
    pairs.map((key) => `of ${key}`)
  )
  await own.forget('user:1')
  t.equal(await keys.exists('user:1'), 0)
  t.equal(await keys.exists('user:2'), 1)
  t.equal((await other.remember('user:2', TTL, load('of another installation'))).hit, false)
  t.equal((await own.remember('user:2', TTL, load('x'))).bytes.toString(), 'of user:2')
})

t.test('a load that fails is told to all who wait, and the next one may try', async (t) => {
  const own = await createCache(t)
  const other = await createCache(t)
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const asking = many(20, () =>
    own.remember('k', TTL, async () => {
      await gate
      throw new Error('Postgres is away')
    })
  )
  // for good, if it were not given back
  await eventually(async () => assert.equal(await keys.persist('k:lock'), 1))
  open()
  await t.rejects(asking, { message: 'Postgres is away' })
  await eventually(async () => assert.equal(await keys.exists('k:lock'), 0))
  t.equal((await other.remember('k', TTL, async () => 'x')).bytes.toString(), 'x')
})

t.test('what Redis lost, evicted or brings back from an earlier run is loaded anew', async (t) => {
  const persistent = await startRedis(t, { persistent: true })
  const look = new Redis(persistent.url)
  look.on('error', () => {})
  t.teardown(() => look.disconnect())
  const own = await createCache(t, persistent.url)
  const source = createSource()
  const remember = () => own.remember('k', TTL, source.load)
  for (const loss of [
    () => look.flushall(),
    () => look.del('k'),
    () => look.del('k:version'),
    () => look.set('k:version', 'x')
  ]) {
    await remember()
    t.equal((await remember()).hit, true)
    await loss()
    t.equal((await remember()).hit, false)
  }
  const written = source.write() // of which Redis never hears, as when its last second was not on the disk
  await persistent.kill()
  await persistent.start()
  await eventually(async () => assert.equal(await look.exists('k'), 1), { timeout: 20_000 })
  t.equal((await remember()).bytes.toString(), String(written))
  await eventually(async () => assert.equal((await remember()).hit, true))
})

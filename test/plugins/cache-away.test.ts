/** The cache while Redis is away, silent, or cut off. */
import assert from 'node:assert/strict'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createCache as createAt, createSource, many, TTL } from '../helpers/cache.js'
import { eventually } from '../helpers/eventually.js'
import { startLine, through } from '../helpers/proxy.js'
import { startRedis } from '../helpers/services.js'

const redis = await startRedis(t)
const keys = new Redis(redis.url)
t.teardown(() => keys.disconnect())
t.beforeEach(async () => void (await keys.flushall()))

const createCache = (t: Test, url = redis.url) => createAt(t, url)

t.test('without Redis everything is loaded, and nobody waits for it', async (t) => {
  const own = await createCache(t, 'redis://127.0.0.1:1')
  const source = createSource()
  t.equal((await own.remember('k', TTL, source.load)).hit, false)
  const open = source.hold()
  const asking = many(500, () => own.remember('k', TTL, source.load))
  await sleep(50)
  open()
  await asking
  t.ok(source.loads() <= 3, 'and those who ask at once share a load')

  await own.forget('k') // this first write waits half a second
  const start = Date.now()
  for (let i = 0; i < 100; i++) await own.forget(`k${i}`)
  t.ok(Date.now() - start < 25_000, 'those after it do not: a hundred would wait 50 s')
})

t.test('a process that was busy itself does not take Redis for slow', async (t) => {
  const own = await createCache(t)
  await own.remember('k', TTL, async () => 'x')
  for (let round = 0; round < 3; round++) {
    await nextTurn() // the round before is over
    const asking = own.remember('k', TTL, async () => 'loaded again')
    await nextTurn() // it has been sent by then, and not answered
    const until = Date.now() + 400
    while (Date.now() < until);
    t.match(await asking, { hit: true })
  }
})

t.test('a Redis that does not answer is left alone for a while', async (t) => {
  const frozen = await startRedis(t)
  const own = await createCache(t, frozen.url)
  const source = createSource()
  await own.remember('k', TTL, source.load)
  await frozen.freeze()
  const start = Date.now()
  for (let i = 0; i < 100; i++) t.equal((await own.remember('k', TTL, source.load)).bytes.toString(), '0')
  t.ok(Date.now() - start < 12_000, 'few wait for it: a hundred would wait 25 s')
  await frozen.thaw()
  await eventually(async () => assert.equal((await own.remember('k', TTL, source.load)).hit, true))
})

t.test(
  'a write that a silent Redis is not told of waits for it half a second, and those after it do not',
  async (t) => {
    const frozen = await startRedis(t)
    const [own, other] = [await createCache(t, frozen.url), await createCache(t, frozen.url)]
    const source = createSource()
    await own.remember('k', TTL, source.load)
    await frozen.freeze()
    source.write()
    await own.forget('k')
    const start = Date.now()
    for (let i = 0; i < 100; i++) await own.forget(`k${i}`)
    t.ok(Date.now() - start < 25_000, 'a hundred would wait 50 s')
    t.equal((await own.remember('k', TTL, source.load)).bytes.toString(), '1')
    await frozen.thaw()
    await eventually(async () =>
      assert.equal((await other.remember('k', TTL, source.load)).bytes.toString(), '1', 'it hears of it')
    )
  }
)

t.test(
  'a write that Redis could not be told shows at once in its own process, elsewhere when Redis hears of it',
  async (t) => {
    const line = await startLine(t, redis.port)
    const [cut, other] = [await createCache(t, through(redis.url, line)), await createCache(t)]
    const source = createSource()
    const read = async (cache: typeof cut) => (await cache.remember('k', TTL, source.load)).bytes.toString()
    t.strictSame([await read(cut), await read(other)], ['0', '0'])
    line.refuse(true)
    line.cut()
    source.write()
    await cut.forget('k')
    t.equal(await read(cut), '1')
    t.equal(await read(other), '0', 'nobody can have told it: its time is the bound')
    line.refuse(false)
    await eventually(async () => assert.equal(await read(other), '1'))
    await eventually(async () => assert.equal((await cut.remember('k', TTL, source.load)).hit, true))
  }
)

t.test('a connection that breaks while a write is told costs the write a moment, not its truth', async (t) => {
  const line = await startLine(t, redis.port)
  const [cut, other] = [await createCache(t, through(redis.url, line)), await createCache(t)]
  const source = createSource()
  for (let round = 0; round < 10; round++) {
    for (const cache of [cut, other]) await cache.remember('k', TTL, source.load)
    const written = source.write()
    line.cut()
    await cut.forget('k')
    for (const cache of [other, cut]) {
      t.equal((await cache.remember('k', TTL, source.load)).bytes.toString(), String(written), `round ${round}`)
    }
  }
})

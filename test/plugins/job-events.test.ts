import assert from 'node:assert/strict'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import jobEvents from '#plugins/job-events'
import redisPlugin from '#plugins/redis'
import { createWatches, type Progress } from '../../plugins/job-events/watches.js'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startLine, through } from '../helpers/proxy.js'
import { startRedis } from '../helpers/services.js'

const ID = '01940000-0000-7000-8000-000000000000'
const OTHER = '01940000-0000-7000-8000-000000000001'
const TICK_MS = 25
const LONG_MS = 3_600_000

const ACTIVE = { version: 2, status: 'active', progress: 10, attempts: 1 } as Progress // all that is asked of it
const END = { version: 3, status: 'succeeded', progress: 100, attempts: 1, result: { sum: 7 } } as Progress // as above

/** Watches on a stand-in ledger, in a time that passes only when it is told to. */
function createStage(t: Test, findProgress: () => Promise<Progress | undefined> = async () => undefined) {
  let now = 0
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  mock.method(performance, 'now', () => now) // the mock timers leave it alone
  t.teardown(() => mock.reset())
  /** When it was asked, and for what. */
  const asked: [at: number, what: 'progress' | 'end'][] = []
  const note = (what: 'progress' | 'end') => void asked.push([now, what])
  const watches = createWatches({
    findProgress: () => {
      note('progress')
      return findProgress()
    },
    findEnd: async () => {
      note('end')
      return END
    }
  } as never) // all that they ask of the ledger
  /** What is under way is done afterwards. */
  async function pass(ms: number) {
    for (const until = now + ms; now < until; ) {
      now += TICK_MS
      mock.timers.tick(TICK_MS)
      await new Promise(setImmediate)
    }
  }
  return { watches, asked, pass }
}

t.test('rule 12: who waits asks the ledger after 0.1 s, then in pauses that grow by half up to 2 s', async (t) => {
  const { watches, asked, pass } = createStage(t)
  watches.open(ID)
  await pass(11_000)
  const pauses = asked.map(([at], i) => at - (asked[i - 1]?.[0] ?? 0))
  // each ends at a tick
  t.strictSame(pauses, [100, 100, 150, 225, 350, 525, 775, 1_150, 1_725, 2_000, 2_000])
})

t.test('the first look comes when its caller says', async (t) => {
  const { watches, asked, pass } = createStage(t)
  watches.open(ID, 0)
  await pass(TICK_MS)
  t.strictSame(asked, [[TICK_MS, 'progress']])
})

t.test('a ledger that cannot answer is asked again', async (t) => {
  let away = true
  const { watches, pass } = createStage(t, async () => {
    if (away) throw new Error('Postgres is away')
    return ACTIVE
  })
  const told = watches.open(ID).next(1_000)
  await pass(200)
  away = false
  await pass(800)
  t.equal(await told, ACTIVE)
})

t.test('rule 12: who begins to wait while the process stops is told at once that nothing will be told', async (t) => {
  const { watches } = createStage(t)
  watches.closeAll()
  const watch = watches.open(ID)
  t.ok(watch.isClosed())
  t.equal(await watch.next(LONG_MS), undefined)
  t.equal(watches.size(), 0)
})

t.test('rule 12: told of an end, those who watch that job look at once, for the end with its result', async (t) => {
  const { watches, asked, pass } = createStage(t)
  watches.open(OTHER)
  const told = watches.open(ID).next(50)
  watches.tell([ID])
  await pass(50)
  t.equal(await told, END)
  t.strictSame(asked, [[0, 'end']], 'and nobody else looked')
})

t.test('told while a look is under way, it looks again right after it', async (t) => {
  let answer = (_: Progress) => {}
  const { watches, asked, pass } = createStage(
    t,
    () =>
      new Promise((resolve) => {
        answer = resolve
      })
  )
  watches.open(ID)
  await pass(1_000)
  watches.tell([ID])
  await pass(TICK_MS)
  t.strictSame(asked, [[100, 'progress']], 'one look at a time')
  answer(ACTIVE)
  await pass(2 * TICK_MS)
  t.equal(asked.length, 2, 'without a pause')
})

t.test('a version is told once, and the next one when it comes', async (t) => {
  let progress = ACTIVE
  const { watches, asked, pass } = createStage(t, async () => progress)
  const watch = watches.open(ID)
  const first = watch.next(LONG_MS)
  await pass(100)
  t.equal(await first, ACTIVE)
  const second = watch.next(1_000)
  await pass(1_000)
  t.equal(await second, undefined)
  t.ok(asked.length > 2, 'it was looked at again')
  const third = watch.next(2_000)
  progress = { ...ACTIVE, version: 3 }
  await pass(2_000)
  t.match(await third, { version: 3 })
})

t.test('what is found while nobody waits is kept for the next who does', async (t) => {
  const { watches, pass } = createStage(t, async () => ACTIVE)
  const watch = watches.open(ID)
  await pass(100)
  t.equal(await watch.next(LONG_MS), ACTIVE)
})

for (const way of ['close', 'closeAll'] as const) {
  t.test(`${way} wakes who waits, and the ledger is asked no more`, async (t) => {
    const { watches, asked, pass } = createStage(t)
    const all = [watches.open(ID), watches.open(ID), watches.open(OTHER)]
    const told = all.map((watch) => watch.next(LONG_MS))
    t.equal(watches.size(), 3)
    if (way === 'closeAll') watches.closeAll()
    else for (const watch of all) watch.close()
    t.strictSame(await Promise.all(told), [undefined, undefined, undefined])
    t.ok(all.every((watch) => watch.isClosed()))
    t.equal(watches.size(), 0)
    watches.tell([ID])
    await pass(1_000)
    t.strictSame(asked, [])
    t.equal(await all[0]?.next(LONG_MS), undefined, 'who waits now is answered at once')
  })
}

/** One process on a stand-in ledger; `end` tells it that jobs have ended. */
async function startProcess(t: Test, url: string, listen = false) {
  let end = (_ids: string[]) => {}
  const app = createApp(t)
  app.register(redisPlugin, { url })
  app.decorate('ledger', {
    onEnd: (listener: typeof end) => {
      end = listener
    },
    findEnd: async () => END
  } as never) // all that it asks of the ledger before the first look
  app.register(jobEvents, { prefix: 'test', listen })
  await app.ready()
  return { app, end: (ids: string[]) => end(ids) }
}

type Process = Awaited<ReturnType<typeof startProcess>>

/** Until the one listens where the other tells, and so hears of its ends. */
async function hears(t: Test, { app: gateway }: Process, { app: consumer, end }: Process) {
  await eventually(async () => {
    assert.deepEqual(await consumer.redis.pubsub('NUMSUB', 'test:ended'), ['test:ended', 1])
  })
  const watches = [ID, OTHER].map((id) => gateway.jobEvents.watch(id, LONG_MS))
  t.equal(gateway.jobEvents.count(), 2)
  end([ID, OTHER])
  t.strictSame(await Promise.all(watches.map((watch) => watch.next(30_000))), [END, END])
  for (const watch of watches) watch.close()
}

t.test('rule 12: what one process ends the others hear through Redis', async (t) => {
  const { url } = await startRedis(t)
  await hears(t, await startProcess(t, url, true), await startProcess(t, url))
})

t.test('rule 12: a process that began while Redis was away hears once it is there', async (t) => {
  const redis = await startRedis(t)
  await redis.stop()
  const [gateway, consumer] = [await startProcess(t, redis.url, true), await startProcess(t, redis.url)]
  let failed = 0
  gateway.app.redis.on('reconnecting', () => {
    failed += 1
  })
  await eventually(() => assert.ok(failed > 1)) // and so each of its connections at least once
  await redis.start()
  await hears(t, gateway, consumer)
})

t.test('rule 12: whenever its connection breaks it listens again, and no promise is rejected unhandled', async (t) => {
  const redis = await startRedis(t)
  const line = await startLine(t, redis.port)
  const [gateway, consumer] = [await startProcess(t, through(redis.url, line), true), await startProcess(t, redis.url)]
  await hears(t, gateway, consumer)
  let broken = 0
  line.onData((data, link) => {
    if (broken === 2 || !data.includes('subscribe')) return
    broken += 1
    link.cut()
  })
  line.cut()
  await eventually(() => assert.equal(broken, 2)) // before Redis has answered
  await hears(t, gateway, consumer)

  const closed = new Promise((resolve) => {
    // tap fails on a promise that is rejected unhandled, as a gateway ends on it
    line.onData((data) => data.includes('subscribe') && resolve(gateway.app.close()))
  })
  line.cut()
  await closed
})

import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import queue from '#plugins/queue'
import { createApp, createLog } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startRedis } from '../helpers/services.js'

const redis = await startRedis(t)
const other = await startRedis(t)
const admin = new Redis(redis.url)
admin.on('error', () => {})
t.teardown(() => admin.disconnect())

let count = 0

/** The plugin alone, on a prefix of its own, ready. */
async function createQueue(t: Test, { prefix = `bq${count++}`, url = redis.url } = {}) {
  const log = createLog()
  const app = createApp(t, { logger: log.logger })
  await app.register(queue, { url, prefix })
  await app.ready()
  await eventually(() => assert.ok(app.queue.isReady()))
  return { app, prefix, log, queue: app.queue }
}

const deliveries = (n: number, jobs = 1) =>
  Array.from({ length: n }, () => ({ id: uuidv7(), ids: Array.from({ length: jobs }, () => uuidv7()) }))

/** Consumes and notes what comes. */
function note(taker: Awaited<ReturnType<typeof createQueue>>['queue'], names = ['work']) {
  const taken: string[][] = []
  taker.consume(
    names.map((name) => ({ name, concurrency: 2 })),
    async ({ ids }) => void taken.push(ids)
  )
  return taken
}

t.test('B20 it registers alone, and closes what it opened', async (t) => {
  const { app } = await createQueue(t)
  const mine = async () => String(await admin.client('LIST')).split('\n').length
  const before = await mine()
  await app.close()
  await eventually(async () => assert.ok((await mine()) < before))
})

t.test('rule 8: it talks to the Redis that it was told, with its prefix, and no other', async (t) => {
  const { queue, prefix } = await createQueue(t)
  await queue.push('work', deliveries(1))
  t.ok((await admin.keys(`${prefix}:work:*`)).length > 0)
  const stranger = new Redis(other.url)
  t.teardown(() => stranger.disconnect())
  t.equal(await stranger.dbsize(), 0)
})

t.test('rule 4: a delivery that a consumer took and did not finish comes back marked, and no other does', async (t) => {
  const { queue, prefix } = await createQueue(t)
  const [first, back] = deliveries(2)
  if (!first || !back) throw new Error('two were made')
  await queue.push('work', [back])
  // as a consumer does that is gone two checks later
  await admin.lmove(`${prefix}:work:waiting`, `${prefix}:work:active`, 'RIGHT', 'LEFT')
  const came = new Map<string, { ids: string[]; returned: boolean }>()
  queue.consume(
    [{ name: 'work', concurrency: 1 }],
    async ({ id, ids, returned }) => void came.set(id, { ids, returned })
  )
  await queue.push('work', [first])
  await eventually(() => assert.equal(came.size, 2), { timeout: 20_000 })
  t.strictSame(came.get(first.id), { ids: first.ids, returned: false })
  t.strictSame(came.get(back.id), { ids: back.ids, returned: true })
  await eventually(async () => assert.equal(await admin.hlen(`${prefix}:work:jobs`), 0))
})

t.test('what is pushed comes out once, with its ids in order, and leaves nothing behind', async (t) => {
  const { queue, prefix } = await createQueue(t)
  const sent = deliveries(50, 3)
  await queue.push('work', sent)
  t.equal(await queue.countWaiting('work'), 50)
  const taken = note(queue)
  await eventually(() => assert.equal(taken.length, 50))
  t.strictSame(taken.map(String).sort(), sent.map(({ ids }) => String(ids)).sort())
  t.match(queue.workload(), [{ name: 'work', concurrency: 2, taken: 50 }])
  await eventually(async () => assert.equal(await admin.hlen(`${prefix}:work:jobs`), 0))
  t.strictSame(await admin.lrange(`${prefix}:work:active`, 0, -1), [])
  const lasting = await Promise.all((await admin.keys(`${prefix}:*`)).map(async (key) => [key, await admin.ttl(key)]))
  // a lock of its stalled check may expire; what carries deliveries must not, or an eviction could take it
  t.strictSame(
    lasting.filter(([key, ttl]) => Number(ttl) !== -1 && !/stallBlock/.test(String(key))),
    []
  )
})

t.test('a handler that fails is logged, and its delivery does not come again', async (t) => {
  const { queue, log, prefix } = await createQueue(t)
  let runs = 0
  queue.consume([{ name: 'work', concurrency: 1 }], async () => {
    runs += 1
    throw new Error('on purpose')
  })
  await queue.push('work', deliveries(1))
  await eventually(() => assert.ok(log.lines.some(({ msg }) => msg === 'a delivery was given up')))
  await eventually(async () => assert.equal(await admin.hlen(`${prefix}:work:jobs`), 0))
  t.equal(runs, 1)
})

t.test('it works on as many deliveries at a time as it is told', async (t) => {
  const { queue } = await createQueue(t)
  let running = 0
  let most = 0
  let done = 0
  queue.consume([{ name: 'work', concurrency: 3 }], async () => {
    running += 1
    most = Math.max(most, running)
    await new Promise((resolve) => setTimeout(resolve, 30))
    running -= 1
    done += 1
  })
  await queue.push('work', deliveries(12))
  await eventually(() => assert.equal(done, 12))
  t.equal(most, 3)
})

t.test('D22 rule 7: living is what Redis still holds, waiting or being worked on', async (t) => {
  const { queue } = await createQueue(t)
  const [waiting, working] = [deliveries(2), deliveries(1)]
  let finish = () => {}
  let started = false
  queue.consume([{ name: 'busy', concurrency: 1 }], () => {
    started = true
    return new Promise((resolve) => {
      finish = () => resolve()
    })
  })
  await Promise.all([queue.push('work', waiting), queue.push('busy', working)])
  await eventually(() => assert.ok(started))
  const ids = [...waiting, ...working].map(({ id }) => id)
  t.strictSame(await queue.findLiving('work', [...ids, uuidv7()]), new Set(ids.slice(0, 2)))
  t.strictSame(await queue.findLiving('busy', ids), new Set(ids.slice(2)))
  t.strictSame(await queue.findLiving('work', []), new Set())
  finish()
  await eventually(async () => assert.equal((await queue.findLiving('busy', ids)).size, 0))
})

t.test('rubbish in the queue is dropped and logged, and the next delivery comes', async (t) => {
  const { queue, prefix, log } = await createQueue(t)
  await queue.push('work', deliveries(1)) // so that the queue is there
  const bodies = [
    '{"data":{"v":2,"ids":[]},"options":{}}',
    '{"data":{"v":1,"ids":["1 or 1=1"]},"options":{}}',
    '{"data":null,"options":{}}'
  ]
  for (const [i, body] of bodies.entries()) {
    await admin.hset(`${prefix}:work:jobs`, `rubbish${i}`, body)
    await admin.lpush(`${prefix}:work:waiting`, `rubbish${i}`)
  }
  const taken = note(queue)
  await queue.push('work', deliveries(1))
  await eventually(() => assert.equal(taken.length, 2))
  await eventually(() => assert.equal(log.lines.filter(({ level }) => level === 50).length, bodies.length))
})

t.test('ids that stand in the active list without a body are swept away', async (t) => {
  const { queue, prefix } = await createQueue(t)
  note(queue)
  await admin.lpush(`${prefix}:work:active`, 'ghost')
  await eventually(async () => assert.equal(await admin.llen(`${prefix}:work:active`), 0), { timeout: 15_000 })
})

t.test('rule 8: its scripts are there again after they were flushed and the connection was lost', async (t) => {
  const { queue } = await createQueue(t)
  await queue.push('work', deliveries(1))
  await admin.script('FLUSH')
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await eventually(() => queue.push('work', deliveries(1)))
  const taken = note(queue)
  await eventually(() => assert.ok(taken.length >= 2))
})

t.test('D22 while Redis is away a push fails at once; a Redis that comes back empty carries on', async (t) => {
  const own = await startRedis(t)
  const { queue, log } = await createQueue(t, { url: own.url })
  const taken = note(queue)
  const losses: number[] = []
  queue.onLoss(() => losses.push(Date.now()))
  await queue.push('work', deliveries(1))
  await eventually(() => assert.equal(taken.length, 1))
  await eventually(() => assert.equal(losses.length, 1, 'no sentinel was there: its first look is a loss'))

  await own.kill()
  await eventually(() => assert.ok(!queue.isReady()))
  await t.rejects(queue.push('work', deliveries(1)), { message: 'Redis is away' })
  const away = () => log.lines.filter(({ msg }) => msg === 'Redis is away, trying again').length
  await eventually(() => assert.ok(away() > 0))
  await own.start()
  await eventually(() => assert.equal(losses.length, 2))
  t.ok(queue.isReady())
  await eventually(() => queue.push('work', deliveries(1)))
  await eventually(() => assert.equal(taken.length, 2))
  t.equal(away(), 1, 'the log says it once')
})

t.test('rule 7: a flush is noticed', async (t) => {
  const own = await startRedis(t)
  const { queue, log } = await createQueue(t, { url: own.url })
  let losses = 0
  queue.onLoss(() => {
    losses += 1
  })
  await eventually(() => assert.equal(losses, 1))
  t.strictSame(alarms(log), [], 'a Redis that is new is no alarm')
  const client = new Redis(own.url)
  t.teardown(() => client.disconnect())
  await client.flushall()
  await eventually(() => assert.equal(losses, 2))
  t.match(alarms(log), [{ found: 'no sentinel', msg: 'Redis lost its data or was exchanged' }])
})

t.test('rule 7: a Redis that was started again meanwhile is looked into at the start, without an alarm', async (t) => {
  const own = await startRedis(t)
  const client = new Redis(own.url)
  t.teardown(() => client.disconnect())
  await client.set('seen:sentinel', 'the run id of an earlier one')
  const { queue, log } = await createQueue(t, { url: own.url, prefix: 'seen' })
  let losses = 0
  queue.onLoss(() => {
    losses += 1
  })
  await eventually(() => assert.equal(losses, 1))
  t.match(
    log.lines.filter(({ found }) => found),
    [{ level: 30, found: 'another server', msg: /^Redis was started since it was last seen, or is new/ }]
  )
  await client.set('seen:sentinel', 'that of another one')
  await eventually(() => assert.equal(losses, 2))
  t.match(alarms(log), [{ found: 'another server', msg: 'Redis lost its data or was exchanged' }])
})

/** Warnings about lost data. */
const alarms = (log: { lines: Record<string, unknown>[] }) =>
  log.lines.filter(({ level, found }) => Number(level) >= 40 && found)

t.test('a stop waits for what is under way, and takes nothing more', async (t) => {
  const { queue } = await createQueue(t)
  let ended = 0
  queue.consume([{ name: 'work', concurrency: 1 }], async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    ended += 1
  })
  await queue.push('work', deliveries(3))
  await eventually(() => assert.equal(queue.workload()[0]?.running, 1))
  const before = ended
  await queue.stop(5_000)
  t.equal(ended, before + 1)
})

t.test('a queue whose first push met a frozen Redis works once Redis does', async (t) => {
  const own = await startRedis(t)
  const { queue } = await createQueue(t, { url: own.url })
  await queue.push('opened', deliveries(1))
  await own.freeze()
  await t.rejects(queue.push('new', deliveries(1)))
  await own.thaw()
  await eventually(() => queue.push('new', deliveries(1)))
})

t.test('a delivery whose body cannot be read is swept away', async (t) => {
  const { queue, prefix } = await createQueue(t)
  const taken = note(queue)
  for (const [id, body] of Object.entries({ 'no-json': 'not json', nothing: 'null', number: '7' })) {
    await admin.hset(`${prefix}:work:jobs`, id, body)
    await admin.lpush(`${prefix}:work:waiting`, id)
  }
  await queue.push('work', deliveries(1))
  await eventually(
    async () => {
      assert.equal(taken.length, 1)
      assert.deepEqual(await admin.hkeys(`${prefix}:work:jobs`), [])
      assert.deepEqual(await admin.lrange(`${prefix}:work:active`, 0, -1), [])
    },
    { timeout: 20_000 }
  )
})

import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { uuidv7 } from 'uuidv7'
import worker, { defineHandler, giveUp, retryIn } from '#plugins/worker'
import { defineJob } from '#schema/job'
import { buildRegistry } from '#schema/registry'
import { backOff, judgeError, judgePayload } from '../../plugins/worker/endings.js'
import { createWatchdog } from '../../plugins/worker/watchdog.js'
import { createApp, createLog } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'

const Payload = Type.Object({ n: Type.Integer() }, { additionalProperties: false })
const definition = defineJob({
  title: 'Count',
  queue: 'work',
  version: 2,
  payload: Payload,
  result: Type.Object({ m: Type.Integer() }, { additionalProperties: false }),
  limits: { maxAttempts: 3, timeoutMs: 500, batch: 10, concurrency: 2 }
})
const registry = buildRegistry({ forms: {}, jobs: { count: definition } })

type Ending = ReturnType<typeof judgeError>
type Claimed = Ending['job']

const claimed = (payload: unknown = { n: 1 }, changes: Partial<Claimed> = {}): Claimed => ({
  id: uuidv7(),
  type: 'count',
  payload,
  schemaVersion: 2,
  attempts: 1,
  maxAttempts: 3,
  timeoutMs: 500,
  token: uuidv7(),
  trace: null,
  ownerId: null,
  deliveryId: uuidv7(),
  ...changes
})

/** The plugin on a ledger and a queue that are noted: deliveries are handed in by `deliver`. */
async function createWorker(
  t: Test,
  handler: Parameters<typeof defineHandler<typeof Payload, typeof definition.result>>[1],
  { finish = async (_: Ending) => true } = {}
) {
  const log = createLog()
  const app = createApp(t, { logger: log.logger })
  const endings: Ending[] = []
  const renewed: { id: string; progress: number | null }[] = []
  const broken: Error[] = []
  let waiting: Claimed[] = []
  let take: (delivery: { id: string; ids: string[] }) => Promise<void> = async () => {}
  let lost: { id: string; token: string; state: string }[] = []
  app.decorate('ledger', {
    claim: async () => waiting,
    finish: async (ending: Ending) => {
      endings.push(ending)
      return finish(ending)
    },
    storeWith: () => {},
    renew: async (leases: typeof renewed) => {
      renewed.push(...leases)
      return lost
    },
    relay: { start: () => {}, stop: async () => {} }
  } as never)
  app.decorate('queue', {
    consume: (_queues: unknown, handle: typeof take) => {
      take = handle
    },
    workload: () => [],
    stop: async () => {}
  } as never)
  app.register(worker, {
    registry,
    handlers: { count: defineHandler(definition, handler) },
    graceMs: 100,
    onBroken: (error) => broken.push(error)
  })
  await app.ready()
  return {
    app,
    endings,
    renewed,
    broken,
    log,
    lose: ({ id, token }: Claimed) => {
      lost = [{ id, token, state: 'cancelled' }]
    },
    deliver: (...jobs: Claimed[]) => {
      waiting = jobs
      return take({ id: uuidv7(), ids: jobs.map(({ id }) => id) })
    }
  }
}

t.test('B20 a missing decorator stops the start by name; a missing handler or definition names its file', async (t) => {
  const bare = createApp(t)
  bare.register(worker, { registry, handlers: {}, onBroken: () => {} })
  await t.rejects(async () => void (await bare.ready()), { message: /decorator 'ledger'.*required by 'worker'/ })

  const app = createApp(t)
  app.decorate('ledger', {} as never)
  app.decorate('queue', {} as never)
  app.register(worker, { registry, handlers: { other: () => ({ run: () => null }) }, onBroken: () => {} })
  await t.rejects(async () => void (await app.ready()), {
    message:
      'schema/jobs/count.ts has no handler: add services/consumer/handlers/count.ts\n' +
      'services/consumer/handlers/other.ts has no definition: add schema/jobs/other.ts'
  })
})

t.test('back-off doubles from a second to five minutes, half of it by chance', async (t) => {
  t.strictSame(
    [1, 2, 3, 4, 9, 10, 50].map((attempt) => backOff(attempt, 1)),
    [1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000]
  )
  t.strictSame(
    [1, 2, 10].map((attempt) => backOff(attempt, 0)),
    [500, 1_000, 150_000]
  )
  const pauses = Array.from({ length: 100 }, () => backOff(3))
  t.ok(pauses.every((pause) => pause >= 2_000 && pause <= 4_000))
  t.ok(new Set(pauses).size > 50, 'many that failed together do not come back together')
})

t.test('rule 12: what a consumer does not know it gives back; what does not fit is dead', async (t) => {
  const known = registry.jobs.get('count')
  t.equal(judgePayload(claimed(), known), undefined)
  t.match(judgePayload(claimed(), undefined), { outcome: 'released', delayMs: 30_000 }, 'an unknown type')
  t.match(
    judgePayload(claimed({}, { schemaVersion: 3 }), known),
    { outcome: 'released', delayMs: 30_000 },
    'a newer version'
  )
  t.match(judgePayload(claimed({ n: 'x', y: 1 }), known), {
    outcome: 'schema_mismatch',
    error: { code: 'SCHEMA_MISMATCH', detail: /\/n must be a whole number/ }
  })
  t.match(judgePayload(claimed(null), known), { error: { detail: 'the payload must be an object' } })
  t.match(
    judgePayload(claimed({}, { schemaVersion: 1 }), known),
    { outcome: 'schema_mismatch' },
    'an old version is checked too'
  )
})

t.test(
  'an error is told by its code where it has one of ours, and cut to a paragraph that Postgres can keep',
  async (t) => {
    const endingOf = (thrown: unknown) => judgeError(claimed(), thrown)
    t.match(endingOf(new Error('odd')), {
      outcome: 'failed',
      error: { code: 'HANDLER_FAILED', detail: 'odd' },
      retryInMs: Number
    })
    t.match(endingOf(Object.assign(new Error('odd'), { code: 'PAGE_GONE' })), { error: { code: 'PAGE_GONE' } })
    t.match(endingOf(Object.assign(new Error('odd'), { code: 'lower' })), { error: { code: 'HANDLER_FAILED' } })
    t.match(endingOf('a text'), { error: { code: 'HANDLER_FAILED', detail: 'a text' } })
    t.match(endingOf(undefined), { error: { detail: 'undefined' } })
    const { error } = endingOf(new Error(`a\0${'x'.repeat(5_000)}\ud800`)) as { error: { detail: string } } // outcome is 'failed'
    t.equal(error.detail.length, 2_000)
    t.notMatch(error.detail, '\0')
    t.ok(error.detail.isWellFormed())
  }
)

t.test('a handler says itself whether and when another attempt makes sense', async (t) => {
  t.match(judgeError(claimed(), giveUp('no such page')), { outcome: 'gave_up', error: { detail: 'no such page' } })
  t.notOk('retryInMs' in judgeError(claimed(), giveUp('no')), 'giving up is for good')
  t.match(judgeError(claimed(), retryIn(7_000, 'busy')), { outcome: 'failed', retryInMs: 7_000 })
  const { signal } = Object.assign(new AbortController())
  t.match(judgeError(claimed(), new Error('x'), signal), { outcome: 'failed' })
  t.match(judgeError(claimed(), new Error('x'), AbortSignal.abort('timed_out')), {
    outcome: 'timed_out',
    error: { code: 'TIMED_OUT' }
  })
})

t.test('rule 4: one handler runs each job of a delivery, and each ends by itself', async (t) => {
  const { deliver, endings } = await createWorker(t, () => ({
    run: ({ n }) => {
      if (n === 2) throw new Error('two is bad')
      return { m: n * 10 }
    }
  }))
  const jobs = [1, 2, 3].map((n) => claimed({ n }))
  await deliver(...jobs)
  const byId = new Map(endings.map((ending) => [ending.job.id, ending]))
  t.match(
    jobs.map(({ id }) => byId.get(id)),
    [
      { outcome: 'done', result: { m: 10 } },
      { outcome: 'failed', error: { detail: 'two is bad' } },
      { outcome: 'done', result: { m: 30 } }
    ]
  )
})

t.test('rule 4: a handler for many gets them together; a result short is a failure of all', async (t) => {
  let calls = 0
  const { deliver, endings } = await createWorker(t, () => ({
    runMany: (jobs) => {
      calls += 1
      return jobs.slice(calls - 1).map(({ payload }) => ({ m: payload.n }))
    }
  }))
  await deliver(claimed({ n: 1 }), claimed({ n: 2 }))
  t.equal(calls, 1)
  t.match(endings, [
    { outcome: 'done', result: { m: 1 } },
    { outcome: 'done', result: { m: 2 } }
  ])
  await deliver(claimed({ n: 1 }), claimed({ n: 2 }))
  t.match(endings.slice(2), Array(2).fill({ outcome: 'failed', error: { detail: /answered 1 results for 2 jobs/ } }))
})

t.test('rule 12: jobs that do not fit never reach the handler, their neighbours do', async (t) => {
  const seen: number[] = []
  const { deliver, endings } = await createWorker(t, () => ({
    runMany: (jobs) => jobs.map(({ payload }) => ({ m: seen.push(payload.n) }))
  }))
  await deliver(claimed({ n: 'x' }), claimed({ n: 5 }), claimed({}, { schemaVersion: 9 }))
  t.strictSame(seen, [5])
  t.strictSame(endings.map(({ outcome }) => outcome).sort(), ['done', 'released', 'schema_mismatch'])
})

t.test('a result that its schema refuses is a failed attempt', async (t) => {
  const { deliver, endings } = await createWorker(t, () => ({ run: () => ({ m: 'ten' }) as never }))
  await deliver(claimed())
  t.match(endings, [{ outcome: 'failed', error: { code: 'RESULT_INVALID', detail: '/m must be a whole number' } }])
})

t.test('an attempt that takes too long is aborted, and says so', async (t) => {
  const { deliver, endings } = await createWorker(t, () => ({
    run: (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
  }))
  await deliver(claimed({ n: 1 }, { timeoutMs: 50 }))
  t.match(endings, [
    { outcome: 'timed_out', error: { code: 'TIMED_OUT', detail: 'the attempt took longer than 50 ms' } }
  ])
})

t.test('rule 6: a lost lease aborts its handler; progress goes with the renewals', async (t) => {
  const job = claimed({ n: 1 }, { timeoutMs: 60_000 })
  let reason: unknown
  const worker = await createWorker(t, () => ({
    run: (_, { signal, progress }) => {
      progress(40)
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          reason = signal.reason
          reject(new Error('aborted'))
        })
      )
    }
  }))
  const ended = worker.deliver(job)
  await eventually(() => assert.ok(worker.renewed.some(({ progress }) => progress === 40)))
  worker.lose(job)
  await ended
  t.equal(reason, 'lost')
})

t.test('rule 13: a stop gives back what still runs, no attempt counted, and writes no other ending', async (t) => {
  const job = claimed({ n: 1 }, { timeoutMs: 60_000 })
  let started = false
  const { app, deliver, endings } = await createWorker(t, () => ({
    run: (_, { signal }) => {
      started = true
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    }
  }))
  const ended = deliver(job)
  await eventually(() => assert.ok(started))
  await app.close()
  await ended
  t.match(endings, [{ job: { id: job.id }, outcome: 'released', delayMs: 0 }])
})

t.test('an effect that cannot be written is the failure of its attempt', async (t) => {
  const failing = async ({ outcome }: Ending) => {
    if (outcome === 'done') throw Object.assign(new Error('no such table'), { code: '42P01' })
    return true
  }
  const { deliver, endings } = await createWorker(t, () => ({ run: () => ({ m: 1 }) }), { finish: failing })
  await deliver(claimed())
  t.match(endings, [{ outcome: 'done' }, { outcome: 'failed', error: { detail: 'no such table' } }])
})

t.test('rule 9: the watchdog ends a process that takes nothing although work waits', async (t) => {
  const app = createApp(t)
  const queue = { running: 0, taken: 0, waiting: 1, answers: true }
  app.decorate('queue', {
    workload: () => [{ name: 'work', concurrency: 1, running: queue.running, taken: queue.taken }],
    countWaiting: async () => {
      if (!queue.answers) throw new Error('away')
      return queue.waiting
    }
  } as never)
  await app.ready()
  const broken: string[] = []
  const watchdog = createWatchdog({
    app,
    onBroken: ({ message }) => broken.push(message),
    patienceMs: 50,
    intervalMs: 10
  })
  t.teardown(() => watchdog.stop())
  /** Lets it look often enough to lose its patience. */
  const wait = () => new Promise((resolve) => setTimeout(resolve, 200))

  queue.running = 1
  watchdog.start()
  await wait()
  t.strictSame(broken, [], 'busy is not stuck')
  Object.assign(queue, { running: 0, waiting: 0 })
  await wait()
  t.strictSame(broken, [], 'idle is not stuck')
  Object.assign(queue, { waiting: 1, answers: false })
  await wait()
  t.strictSame(broken, [], 'while Redis is away nobody can take anything')
  queue.answers = true
  await eventually(() => assert.ok(broken.length > 0))
  t.match(broken[0], 'queue work has work and a free slot, but nothing was taken for 50 ms')
})

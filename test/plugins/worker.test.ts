import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import t, { type Test } from 'tap'
import worker from '#plugins/worker'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { claimed, createWorker, type Ending, registry } from '../helpers/worker-app.js'

/** A little more than a pause between two renewals of the leases. */
const RENEWAL_MS = 1_001

/** Time passes only when the answer is called with so many ms; what is under way is done before and afterwards. */
function holdTime(t: Test) {
  let now = performance.now()
  mock.timers.enable({ apis: ['setTimeout'] })
  mock.method(performance, 'now', () => now) // the mock timers leave it alone
  t.teardown(() => mock.reset())
  return async (ms: number) => {
    await turn()
    now += ms
    mock.timers.tick(ms)
    await turn()
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

t.test('rule 4: a result that comes although the time was over counts', async (t) => {
  const { deliver, endings } = await createWorker(t, () => ({
    run: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ m: 1 })))
  }))
  await deliver(claimed({ n: 1 }, { timeoutMs: 50 }))
  t.match(endings, [{ outcome: 'done', result: { m: 1 } }])
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

t.test('rule 6: a lease that is lost while the end of its job is being written breaks nothing', async (t) => {
  const pass = holdTime(t)
  const job = claimed({ n: 1 }, { timeoutMs: 60_000 })
  let signal: AbortSignal | undefined
  let written = (_ours: boolean) => {}
  const finish = () =>
    new Promise<boolean>((resolve) => {
      written = resolve
    })
  const run = (_: unknown, context: { signal: AbortSignal }) => {
    signal = context.signal
    return { m: 1 }
  }
  const worker = await createWorker(t, () => ({ run }), { finish })
  const ended = worker.deliver(job)
  await pass(RENEWAL_MS)
  t.match(worker.endings, [{ outcome: 'done' }], 'its end is being written')
  worker.lose(job)
  await pass(RENEWAL_MS)
  t.equal(signal?.reason, 'lost')
  await pass(60_000)
  written(false)
  await ended
  t.strictSame(worker.broken, [])
})

t.test('rule 6: neighbours go on while one job of theirs is lost; when all are, they are aborted', async (t) => {
  const pass = holdTime(t)
  let signal: AbortSignal | undefined
  const runMany = (_: unknown, context: { signal: AbortSignal }) => {
    signal = context.signal
    return new Promise<never>((_, reject) => context.signal.addEventListener('abort', reject))
  }
  const worker = await createWorker(t, () => ({ runMany }))
  const jobs = [1, 2].map((n) => claimed({ n }, { timeoutMs: 60_000 }))
  const ended = worker.deliver(...jobs)
  for (const [i, job] of jobs.entries()) {
    await pass(RENEWAL_MS)
    t.equal(signal?.aborted, false, `${i} are lost`)
    worker.lose(job)
  }
  await pass(RENEWAL_MS)
  await ended
  t.equal(signal?.reason, 'lost')
})

t.test('what a handler logs tells the job, or how many there are', async (t) => {
  const log = (_: unknown, context: { log: FastifyBaseLogger }): never => {
    context.log.info('here')
    throw new Error('enough')
  }
  const [job, other] = [claimed({ n: 1 }, { trace: 'a-trace' }), claimed()]
  const alone = await createWorker(t, () => ({ run: log }))
  await alone.deliver(job)
  const together = await createWorker(t, () => ({ runMany: log }))
  await together.deliver(job, other)
  const told = [alone, together].map(({ log }) => log.lines.find(({ msg }) => msg === 'here'))
  t.match(told, [
    { job: 'work.count', jobId: job.id, trace: 'a-trace' },
    { job: 'work.count', jobs: 2 }
  ])
  t.notOk(told[1]?.jobId)
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

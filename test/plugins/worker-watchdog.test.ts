import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createWatchdog } from '../../plugins/worker/watchdog.js'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'

/** A watchdog of 50 ms' patience over this queue, and what it found broken. */
async function createStage(t: Test, queue: Pick<FastifyInstance['queue'], 'workload' | 'countWaiting'>) {
  const app = createApp(t)
  app.decorate('queue', queue as never)
  await app.ready()
  const broken: string[] = []
  const watchdog = createWatchdog({
    app,
    onBroken: ({ message }) => broken.push(message),
    patienceMs: 50,
    intervalMs: 10
  })
  t.teardown(() => watchdog.stop())
  return { watchdog, broken }
}

t.test('rule 9: the watchdog ends a process that takes nothing although work waits', async (t) => {
  const queue = { running: 0, taken: 0, waiting: 1, answers: true }
  const { watchdog, broken } = await createStage(t, {
    workload: () => [{ name: 'work', concurrency: 1, running: queue.running, taken: queue.taken }],
    countWaiting: async () => {
      if (!queue.answers) throw new Error('away')
      return queue.waiting
    }
  })
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

t.test('rule 9: a queue whose keys in Redis are broken hides no other that is stuck', async (t) => {
  const { watchdog, broken } = await createStage(t, {
    workload: () => ['other', 'work'].map((name) => ({ name, concurrency: 1, running: 0, taken: 0 })),
    countWaiting: async (name: string) => {
      if (name === 'other') throw new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
      return 1
    }
  })
  watchdog.start()
  await eventually(() => assert.ok(broken.length > 0))
  t.match(broken[0], 'queue work has work and a free slot')
})

t.test('a watchdog that is stopped in the middle of a look looks no more', async (t) => {
  let looks = 0
  let answer = (_waiting: number) => {}
  const { watchdog } = await createStage(t, {
    workload: () => {
      looks += 1
      return [{ name: 'work', concurrency: 1, running: 0, taken: 0 }]
    },
    countWaiting: () =>
      new Promise<number>((resolve) => {
        answer = resolve
      })
  })
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.reset())
  watchdog.start()
  for (const expected of [1, 2]) {
    mock.timers.tick(10)
    await turn()
    t.equal(looks, expected)
  }
  watchdog.stop()
  answer(0)
  await turn()
  mock.timers.tick(10)
  t.equal(looks, 2)
})

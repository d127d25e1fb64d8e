import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Repetition, repeat } from '#schema/repeat'

/** A repetition that begins after 10 ms, in a time that passes only when it is told to; each call ends when the test says so. */
function createStage(t: Test) {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.reset())
  const calls: ((pauseMs?: number) => void)[] = []
  const repetition: Repetition = repeat(10, () => new Promise((resolve) => void calls.push(resolve)))
  /** Lets time pass; answers how often the work was begun by then. */
  const countAfter = async (ms: number) => {
    await turn() // what ended has planned what follows
    mock.timers.tick(ms)
    return calls.length
  }
  return { repetition, countAfter, end: (pauseMs?: number) => calls.at(-1)?.(pauseMs) }
}

t.test('it waits at first, and then as long as each call answers, counted from its end', async (t) => {
  const { countAfter, end } = createStage(t)
  t.equal(await countAfter(9), 0)
  t.equal(await countAfter(1), 1)
  t.equal(await countAfter(1_000), 1, 'no second call beside the first')
  end(20)
  t.equal(await countAfter(19), 1)
  t.equal(await countAfter(1), 2)
  end(0)
  t.equal(await countAfter(1), 3)
  end()
  t.equal(await countAfter(1_000), 3, 'the last one answered no pause')
})

t.test('a stop in the middle of a call waits for its end, and no other follows', async (t) => {
  const { repetition, countAfter, end } = createStage(t)
  t.equal(await countAfter(10), 1)
  let stopped = false
  const stop = repetition.stop().then(() => {
    stopped = true
  })
  await turn()
  t.notOk(stopped)
  end(20)
  await stop
  t.equal(await countAfter(1_000), 1)
})

t.test('a stop in a pause ends it at once', async (t) => {
  const { repetition, countAfter, end } = createStage(t)
  t.equal(await countAfter(10), 1)
  end(20)
  await turn()
  await repetition.stop()
  t.equal(await countAfter(1_000), 1)
})

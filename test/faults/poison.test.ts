/** Jobs that kill their process stop after their attempts, and take no neighbour with them (design rules 2 and 3). */
import t from 'tap'
import { accept, settled, startFaultStack } from '../helpers/fault-stack.js'
import type { Process } from '../helpers/processes.js'

const stack = await startFaultStack(t)
const { db } = stack
const gateway = await stack.gateway()

/** Restarts it each time that it dies, as whoever runs it does; answers how often. */
function revive(consumer: Process) {
  const state = { deaths: 0, over: false }
  const watch = async () => {
    for (;;) {
      await consumer.exited
      if (state.over) return
      state.deaths += 1
      await consumer.restart()
    }
  }
  const watching = watch()
  return {
    state,
    async stop() {
      state.over = true
      await consumer.kill('SIGTERM')
      await watching
    }
  }
}

/** Type, its attempts, its deaths: of a job that is only stored the first try counts as none. */
for (const [form, maxAttempts, deaths, neighbours] of [
  ['probe-batch', 3, 3, 40],
  ['probe-stored', 3, 4, 40],
  ['probe', 3, 3, 7]
] as const) {
  t.test(
    `a ${form} job that kills its process stops after ${maxAttempts} attempts, and its neighbours finish`,
    async (t) => {
      // accepted while nobody consumes, so that they travel and run together
      const poison = await accept(gateway, { form, marker: 'poison', action: 'kill', ms: 300 })
      const good = await Promise.all(
        Array.from({ length: neighbours }, (_, n) =>
          accept(gateway, { form, marker: `neighbour ${n}`, action: 'sleep', ms: 800 })
        )
      )
      const revived = revive(await stack.consumer())
      const jobs = await settled(db, [poison, ...good], 90_000)
      await revived.stop()
      t.equal(revived.state.deaths, deaths, 'it killed as often as it was tried')
      const [dead, ...others] = [jobs.filter(({ id }) => id === poison), jobs.filter(({ id }) => id !== poison)].flat()
      t.match(dead, { state: 'dead', attempts: maxAttempts, error: { code: 'CONSUMER_LOST' } })
      t.ok(others.every(({ state }) => state === 'succeeded'))
      t.ok(
        others.every(({ attempts }) => attempts <= 2),
        'a neighbour is hit once at the most'
      )
    }
  )
}

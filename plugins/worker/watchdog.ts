/** Notices a consumer that takes nothing although work waits, such as after a connection died silently (design rule 9). */
import type { FastifyInstance } from 'fastify'
import { type Repetition, repeat } from '#schema/repeat'

export interface WatchdogOptions {
  app: FastifyInstance
  onBroken: (error: Error) => void
  /** Time that work may wait beside a free slot, in ms. Default 30,000. */
  patienceMs?: number
  /** Pause between two looks, in ms. Default 1000. */
  intervalMs?: number
}

export function createWatchdog({ app, onBroken, patienceMs = 30_000, intervalMs = 1_000 }: WatchdogOptions) {
  const idle = new Map<string, { taken: number; looks: number }>()
  let watch: Repetition | undefined

  async function look() {
    for (const { name, concurrency, running, taken } of app.queue.workload()) {
      const before = idle.get(name)
      const still = taken === before?.taken && running < concurrency
      const waiting = still ? await app.queue.countWaiting(name).catch(() => undefined) : 0
      if (waiting === undefined) {
        // its keys are broken, or Redis does not answer: then nothing can be taken, and that is not this process' fault
        idle.delete(name)
        continue
      }
      // looks are counted, not time: a process that was frozen starts afresh
      const looks = still && waiting > 0 ? (before?.looks ?? 0) + 1 : 0
      idle.set(name, { taken, looks })
      if (looks * intervalMs < patienceMs) continue
      return onBroken(new Error(`queue ${name} has work and a free slot, but nothing was taken for ${patienceMs} ms`))
    }
  }

  return {
    start: () => {
      watch = repeat(intervalMs, () => look().then(() => intervalMs))
    },
    stop: () => void watch?.stop()
  }
}

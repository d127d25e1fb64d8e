/** Notices a consumer that takes nothing although work waits, such as after a connection died silently (design rule 9). */
import type { FastifyInstance } from 'fastify'

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
  let timer: NodeJS.Timeout | undefined

  async function look() {
    for (const { name, concurrency, running, taken } of app.queue.workload()) {
      const before = idle.get(name)
      const stuck = taken === before?.taken && running < concurrency && (await app.queue.countWaiting(name)) > 0
      // looks are counted, not time: a process that was frozen starts afresh
      const looks = stuck ? (before?.looks ?? 0) + 1 : 0
      idle.set(name, { taken, looks })
      if (looks * intervalMs < patienceMs) continue
      return onBroken(new Error(`queue ${name} has work and a free slot, but nothing was taken for ${patienceMs} ms`))
    }
  }

  async function lookAgain() {
    // while Redis does not answer nothing can be taken, and that is not this process' fault
    await look().catch(() => idle.clear())
    timer = setTimeout(lookAgain, intervalMs)
  }

  return {
    start: () => {
      timer = setTimeout(lookAgain, intervalMs)
    },
    stop: () => clearTimeout(timer)
  }
}

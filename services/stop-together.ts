/** How several processes stop together: the messages between the first one and its workers, and what each side does with them. */
import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { stopTimes } from './stop-times.js'

/** From the first process: take no new connection; then: end. */
const HUSH = 'hush'
const STOP = 'stop'
/** From a worker: it was asked to stop; it takes no new connection any more. */
const ASKED = 'asked'
const HUSHED = 'hushed'
/** A signal to the whole group reaches the first process within it. */
const SETTLE_MS = 200

/** Signals that reach the whole group, or are for the first process: a worker is told by that one. */
export const GROUP_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/** In the first process. */
export function createStop({ hush: hushMs, worker: workerMs }: ReturnType<typeof stopTimes>) {
  const listening = new WeakSet<Worker>()

  /** Resolves when it takes no new connection, has ended, or is too busy to say so. */
  async function hush(worker: Worker): Promise<void> {
    // who does not listen yet does not hear
    if (listening.has(worker)) tell(worker, HUSH)
    else worker.process.kill('SIGTERM')
    const over = { signal: AbortSignal.timeout(hushMs) }
    await Promise.race([once(worker, HUSHED, over), once(worker, 'exit', over)]).catch(() => {})
  }

  return {
    /** To be called for each new worker; `onAsked` hears when it was signalled itself, a moment later. */
    listenTo(worker: Worker, onAsked: () => void): void {
      worker.once('listening', () => listening.add(worker))
      worker.on('message', (message) => {
        if (message === HUSHED) worker.emit(HUSHED)
        if (message === ASKED) void sleep(SETTLE_MS).then(onAsked)
      })
    },

    /** None ends before all take no new connection: a client that one tells to close comes back, and would meet another that ends. */
    async stop(...workers: Worker[]): Promise<void> {
      const alive = workers.filter((worker) => !worker.isDead())
      const exits = alive.map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())))
      const timers = alive.map((worker) => setTimeout(() => worker.process.kill('SIGKILL'), workerMs))
      await Promise.all(alive.map(hush))
      for (const worker of alive) tell(worker, STOP)
      await Promise.all(exits)
      for (const timer of timers) clearTimeout(timer)
    }
  }
}

/** Whose channel has broken has ended, or will: its `exit` tells. */
function tell(worker: Worker, message: string): void {
  if (worker.isConnected()) worker.send(message, () => {})
}

/**
 * In a worker: does what the first process says, and asks that one when it is signalled itself; were that one stuck, nothing would come
 * of it. `hush` takes no new connection.
 */
export function stopWhenTold({ hush, stop }: { hush: () => Promise<void>; stop: () => void }): void {
  const answer = (message: string) => process.send?.(message)
  let stopped = false
  process.on('message', (message) => {
    if (message === HUSH) void hush().then(() => answer(HUSHED))
    if (message !== STOP || stopped) return
    stopped = true
    stop()
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => answer(ASKED))
}

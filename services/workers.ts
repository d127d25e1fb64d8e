/**
 * A service as several processes that share one port. Who ends is replaced; SIGHUP replaces all, one after the other, by what lies on
 * the disk now, and once more when it came meanwhile; SIGTERM stops all as one process would be stopped. This process takes
 * connections and hands them on, nothing else.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import { closeWhatWasHandedTo } from './handed-over.js'
import type { stopTimes } from './stop-times.js'

export interface WorkersOptions {
  count: number
  times: ReturnType<typeof stopTimes>
  log: Logger
}

/** From the first process: take no new connection; then: end. */
const HUSH = 'hush'
const STOP = 'stop'
/** From a worker: it was asked to stop; it takes no new connection any more. */
const ASKED = 'asked'
const HUSHED = 'hushed'
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** A signal to the whole group reaches this process within it. */
const SETTLE_MS = 200
/** Who ran this long was well: the pauses begin anew. */
const WELL_MS = 10_000

/** Resolves when all listen; when the first one refuses to start, this process ends as it did. */
export async function runWorkers({ count, times, log }: WorkersOptions): Promise<void> {
  const slots: Worker[] = []
  const listening = new WeakSet<Worker>()
  let stopping = false
  let replacing = false
  let askedAgain = false

  async function start(): Promise<Worker> {
    const worker = cluster.fork()
    closeWhatWasHandedTo(worker)
    worker.on('message', (message) => {
      if (message === HUSHED) worker.emit(HUSHED)
      if (message === ASKED) void sleep(SETTLE_MS).then(() => (stopping ? undefined : stop(worker)))
    })
    const ended = once(worker, 'exit').then(([code, signal]) => {
      throw Object.assign(new Error('it ended before it listened'), { code, signal })
    })
    await Promise.race([once(worker, 'listening'), ended])
    ended.catch(() => {})
    listening.add(worker)
    return worker
  }

  function keep(slot: number, worker: Worker, pause = FIRST_PAUSE_MS): void {
    const since = Date.now()
    slots[slot] = worker
    const replace = () => {
      if (stopping || slots[slot] !== worker) return
      const { pid, exitCode, signalCode } = worker.process
      log.error({ ended: pid, code: exitCode, signal: signalCode }, 'a process ended; another one takes its place')
      void refill(slot, worker, Date.now() - since > WELL_MS ? FIRST_PAUSE_MS : pause)
    }
    if (worker.isDead()) replace()
    else worker.once('exit', replace)
  }

  /** Unless somebody else takes the place meanwhile. */
  async function refill(slot: number, gone: Worker | undefined, first: number): Promise<void> {
    for (let pause = first; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      await sleep(pause)
      if (stopping || slots[slot] !== gone) return
      try {
        const worker = await start()
        return slots[slot] === gone ? keep(slot, worker, Math.min(pause * 2, LONGEST_PAUSE_MS)) : await stop(worker)
      } catch (err) {
        if (!stopping) log.error({ err }, 'a process could not be started')
      }
    }
  }

  /** Who asks meanwhile may mean what was not there yet when the first ones started. */
  async function askToReplace(): Promise<void> {
    if (stopping) return
    if (replacing) {
      askedAgain = true
      return log.info('asked to replace all processes meanwhile: once more afterwards')
    }
    replacing = true
    do {
      askedAgain = false
      await replaceAll()
    } while (askedAgain && !stopping)
    replacing = false
  }

  /** Each new one listens before its predecessor stops; when one cannot, the old ones stay. */
  async function replaceAll(): Promise<void> {
    log.info('replacing all processes, one by one')
    try {
      for (const slot of slots.keys()) {
        if (stopping) return
        const fresh = await start()
        if (stopping) return
        const old = slots[slot] // which may have come meanwhile, for one that ended
        keep(slot, fresh)
        if (old) await stop(old)
      }
      log.info('all processes are replaced')
    } catch (err) {
      if (!stopping) log.error({ err }, 'a process could not be replaced: the old ones stay')
    }
  }

  /** None ends before all take no new connection: a client that one tells to close comes back, and would meet another that ends. */
  async function stop(...workers: Worker[]): Promise<void> {
    const alive = workers.filter((worker) => !worker.isDead())
    const exits = alive.map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())))
    const timers = alive.map((worker) => setTimeout(() => worker.process.kill('SIGKILL'), times.worker))
    await Promise.all(alive.map(hush))
    for (const worker of alive) tell(worker, STOP)
    await Promise.all(exits)
    for (const timer of timers) clearTimeout(timer)
  }

  /** Resolves when it takes no new connection, has ended, or is too busy to say so. */
  async function hush(worker: Worker): Promise<void> {
    // who does not listen yet does not hear
    if (listening.has(worker)) tell(worker, HUSH)
    else worker.process.kill('SIGTERM')
    const over = { signal: AbortSignal.timeout(times.hush) }
    await Promise.race([once(worker, HUSHED, over), once(worker, 'exit', over)]).catch(() => {})
  }

  closeWithGrace({ delay: times.service, logger: log, skip: ['SIGHUP'] }, async ({ signal }) => {
    stopping = true
    log.info({ signal }, 'stopping')
    await stop(...Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined))
  })
  process.on('SIGHUP', () => void askToReplace())

  const first = await start().catch(({ code }: { code: number | null }) => {
    if (!stopping) process.exit(code ?? 1)
  })
  if (!first || stopping) return
  keep(0, first)
  await Promise.all(
    Array.from({ length: count - 1 }, async (_, i) => {
      const slot = i + 1
      await start().then(
        (worker) => keep(slot, worker),
        () => refill(slot, undefined, FIRST_PAUSE_MS)
      )
    })
  )
}

/** Whose channel has broken has ended, or will: its `exit` tells. */
function tell(worker: Worker, message: string): void {
  if (worker.isConnected()) worker.send(message, () => {})
}

/** Signals that reach the whole group, or are for the one above: a worker is told by that one. */
export const GROUP_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/**
 * In a worker: does what the first process says, and tells that one when it is asked to stop itself; were that one stuck, nothing would
 * come of it. `hush` takes no new connection.
 */
export function stopWhenTold({ hush, stop }: { hush: () => Promise<void>; stop: () => void }): void {
  const tell = (message: string) => process.send?.(message)
  let stopped = false
  process.on('message', (message) => {
    if (message === HUSH) void hush().then(() => tell(HUSHED))
    if (message !== STOP || stopped) return
    stopped = true
    stop()
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tell(ASKED))
}

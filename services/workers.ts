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
import { createStop } from './stop-together.js'

export interface WorkersOptions {
  count: number
  times: ReturnType<typeof stopTimes>
  log: Logger
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** Who ran this long was well: the pauses begin anew. */
const WELL_MS = 10_000

/** Resolves when all listen; when the first one refuses to start, this process ends as it did. */
export async function runWorkers({ count, times, log }: WorkersOptions): Promise<void> {
  const slots: Worker[] = []
  const { listenTo, stop } = createStop(times)
  let stopping = false
  let replacing = false
  let askedAgain = false

  async function start(): Promise<Worker> {
    const worker = cluster.fork()
    closeWhatWasHandedTo(worker)
    listenTo(worker, () => stopping || void stop(worker))
    const ended = once(worker, 'exit').then(([code, signal]) => {
      throw Object.assign(new Error('it ended before it listened'), { code, signal })
    })
    await Promise.race([once(worker, 'listening'), ended])
    ended.catch(() => {})
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

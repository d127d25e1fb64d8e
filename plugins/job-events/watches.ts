/** Those who wait for changes of jobs. All share one clock and, through the ledger's grouped look-up, its statements. */
import type { FastifyInstance } from 'fastify'

type Ledger = Pick<FastifyInstance['ledger'], 'findEnd' | 'findProgress'>
type End = NonNullable<Awaited<ReturnType<Ledger['findEnd']>>>
/** How far a job is; with its result, if it has one, after a message that an attempt has ended. */
export type Progress = NonNullable<Awaited<ReturnType<Ledger['findProgress']>>> | End

/** Pauses between two looks into the ledger: they grow from the first to the last. */
const FIRST_PAUSE_MS = 100
const MOST_PAUSE_MS = 2_000
const GROWTH = 1.5
const TICK_MS = 25

export interface Watch {
  /** The job when it is not as it was at the last call; undefined after `ms`, or when the watch was closed. One call at a time. */
  next: (ms: number) => Promise<Progress | undefined>
  /** Whether nothing more will be told: it was closed, or the process stops. */
  isClosed: () => boolean
  close: () => void
}

interface Watcher {
  id: string
  /** When the ledger is asked next, by the monotonic clock, in ms. */
  due: number
  pause: number
  looking: boolean
  closed: boolean
  /** Version that was answered last. */
  seen: number
  /** What was found and not answered yet. */
  found: Progress | undefined
  wake: () => void
}

export function createWatches(ledger: Ledger) {
  const byJob = new Map<string, Set<Watcher>>()
  let count = 0
  let ended = false
  let timer: NodeJS.Timeout | undefined

  async function look(watcher: Watcher, hasEnded = false) {
    watcher.looking = true
    watcher.due = Number.POSITIVE_INFINITY
    // who is told of an end wants the result
    const asking = hasEnded ? ledger.findEnd(watcher.id) : ledger.findProgress(watcher.id)
    const progress = await asking.catch(() => undefined) // it is asked again
    watcher.looking = false
    // told of the end while the ledger was being asked: ask again at once
    watcher.due = Math.min(watcher.due, performance.now() + watcher.pause)
    watcher.pause = Math.min(watcher.pause * GROWTH, MOST_PAUSE_MS)
    if (!progress || progress.version === watcher.seen) return
    watcher.found = progress
    watcher.wake()
  }

  function tick() {
    const now = performance.now()
    for (const watchers of byJob.values()) {
      for (const watcher of watchers) if (watcher.due <= now && !watcher.looking) void look(watcher)
    }
  }

  function close(watcher: Watcher) {
    if (watcher.closed) return
    watcher.closed = true
    watcher.wake()
    const others = byJob.get(watcher.id)
    others?.delete(watcher)
    if (others?.size === 0) byJob.delete(watcher.id)
    count -= 1
    if (count > 0) return
    clearInterval(timer)
    timer = undefined
  }

  async function next(watcher: Watcher, ms: number): Promise<Progress | undefined> {
    if (!watcher.found && !watcher.closed) {
      let late: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        watcher.wake = resolve
        late = setTimeout(resolve, ms)
      })
      clearTimeout(late)
    }
    const { found } = watcher
    watcher.found = undefined
    if (found) watcher.seen = found.version
    return found
  }

  return {
    size: () => count,

    open(id: string, firstLookMs = FIRST_PAUSE_MS): Watch {
      const watcher: Watcher = {
        id,
        due: performance.now() + firstLookMs,
        pause: FIRST_PAUSE_MS,
        looking: false,
        closed: false,
        seen: -1,
        found: undefined,
        wake: () => {}
      }
      const others = byJob.get(id) ?? new Set()
      byJob.set(id, others.add(watcher))
      count += 1
      timer ??= setInterval(tick, TICK_MS)
      if (ended) close(watcher)
      return { next: (ms) => next(watcher, ms), isClosed: () => watcher.closed, close: () => close(watcher) }
    },

    /** Jobs that have just ended: those who watch them look at once. */
    tell(ids: string[]) {
      if (count === 0) return
      for (const id of ids) {
        for (const watcher of byJob.get(id) ?? []) {
          if (watcher.looking) watcher.due = 0
          else void look(watcher, true)
        }
      }
    },

    /** Those that are opened later are closed at once. */
    closeAll() {
      ended = true
      for (const watchers of [...byJob.values()]) for (const watcher of [...watchers]) close(watcher)
    }
  }
}

/** Writers that arrive while a commit is in flight go together in the next one: a lone writer pays nothing. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { problem } from '#schema/problem'
import { isOutage, isPassing, isSlow } from './faults.js'
import { createGathering, type GatheringOptions } from './gathering.js'

export interface GroupCommitOptions<Item, Outcome> {
  /**
   * Writes the items in one transaction and answers an outcome for each, in their order. After a lost connection it is called
   * again with the same items, whose first commit may have happened: it must insert with `on conflict do nothing`.
   */
  write: (client: PoolClient, items: Item[]) => Promise<Outcome[]>
  /** Commits that may be in flight at once. Default 1: the commit in flight is what collects the next group. */
  lanes?: number
  /** Size of an item, in bytes. Default 0. */
  sizeOf?: (item: Item) => number
  /** Most items in one commit. Default 500. */
  maxItems?: number
  /** Most bytes in one commit. Default 1,000,000. */
  maxBytes?: number
  /** Most items that may wait. Default 2000. */
  maxWaiting?: number
  /** Most bytes that may wait. Default 8,000,000. */
  maxWaitingBytes?: number
  /** Time from a writer's call until it is told that its item did not get through, in ms. Default 10,000. */
  deadlineMs?: number
  /** Lets a group grow before it is committed. Default: whoever finds no commit in flight goes at once. */
  gather?: GatheringOptions
  /** Hears of a failed commit that may be tried again. */
  onRetry?: (error: unknown, items: Item[]) => void
}

/**
 * Writes one item and answers when its commit is done.
 * @throws problem 503 `OVERLOADED` at once when too much waits, `DATABASE_UNAVAILABLE` when nothing was written before the
 * deadline, `OUTCOME_UNKNOWN` when that cannot be told; or Postgres' own error when this very item is at fault.
 */
export type GroupCommit<Item, Outcome> = ((item: Item) => Promise<Outcome>) & {
  /** Resolves when nothing waits any more. */
  drained: () => Promise<void>
}

interface Entry<Item, Outcome> {
  item: Item
  bytes: number
  /** When its writer is told that it did not get through. */
  deadline: number
  resolve: (outcome: Outcome) => void
  reject: (error: unknown) => void
}

/** Times that a lone item may take too long. */
const MOST_SLOW = 2

export function createGroupCommit<Item, Outcome>(
  pool: Pool,
  {
    write,
    lanes = 1,
    sizeOf = () => 0,
    maxItems = 500,
    maxBytes = 1_000_000,
    maxWaiting = 2_000,
    maxWaitingBytes = 8_000_000,
    deadlineMs = 10_000,
    gather,
    onRetry = () => {}
  }: GroupCommitOptions<Item, Outcome>
): GroupCommit<Item, Outcome> {
  const waiting: Entry<Item, Outcome>[] = []
  let waitingBytes = 0
  const draining = new Set<Promise<void>>()
  // what is more goes into another commit anyway
  const gathering = gather && createGathering({ ...gather, enough: () => Math.min(gather.enough(), maxItems) })

  function takeGroup(): Entry<Item, Outcome>[] {
    let bytes = 0
    let length = 0
    for (const entry of waiting) {
      if (length === maxItems || (length > 0 && bytes + entry.bytes > maxBytes)) break
      bytes += entry.bytes
      length += 1
    }
    waitingBytes -= bytes
    return waiting.splice(0, length)
  }

  function openLane() {
    const drain = async () => {
      while (waiting.length) {
        const enough = gathering?.untilEnough(waiting.length)
        if (enough) await enough
        await commit(takeGroup())
      }
      draining.delete(lane) // in the same turn: who comes in the next one opens a lane
    }
    const lane = drain()
    draining.add(lane)
  }

  /** `unknown`: a commit of these was sent before, and nobody knows what became of it. */
  async function commit(entries: Entry<Item, Outcome>[], unknown = false): Promise<void> {
    let open = refuseLate(entries, unknown ? outcomeUnknown : unavailable)
    let slow = 0
    for (let pause = 50; open.length; pause = Math.min(pause * 2, 1_000)) {
      let sent = false
      try {
        const outcomes = await inConnection((client) => {
          sent = true
          return write(
            client,
            open.map(({ item }) => item)
          )
        })
        for (const [i, { resolve }] of open.entries()) resolve(outcomes[i] as Outcome)
        return
      } catch (error) {
        onRetry(
          error,
          open.map(({ item }) => item)
        )
        if (isSlow(error) && (await answers())) {
          // too much at once, or one item that is slow by itself: that one ends alone
          if (open.length > 1) {
            const half = Math.ceil(open.length / 2)
            await commit(open.slice(0, half), true)
            return commit(open.slice(half), true)
          }
          if (++slow === MOST_SLOW) return refuse(open, error)
        }
        const away = isOutage(error)
        if (!away && open.length > 1) {
          // one bad item fails alone
          for (const entry of open) await commit([entry], unknown)
          return
        }
        if (!away && !isPassing(error)) return refuse(open, error)
        unknown ||= away && sent
        const reason = unknown ? outcomeUnknown : unavailable
        open = refuseLate(open, () => reason(error), pause)
        if (open.length) await delay(pause)
      }
    }
  }

  /** Refuses those whose time is over, or will be after the pause; answers the others. */
  function refuseLate(entries: Entry<Item, Outcome>[], reason: () => Error, pause = 0): Entry<Item, Outcome>[] {
    const now = Date.now() + pause
    const late = entries.filter(({ deadline }) => deadline < now)
    if (late.length) refuse(late, reason())
    return entries.filter(({ deadline }) => deadline >= now)
  }

  /** Whether Postgres answers at all. */
  const answers = () =>
    pool.query('select 1').then(
      () => true,
      () => false
    )

  async function inConnection(work: (client: PoolClient) => Promise<Outcome[]>): Promise<Outcome[]> {
    const client = await pool.connect()
    try {
      const outcomes = await work(client)
      client.release()
      return outcomes
    } catch (error) {
      client.release(true) // whatever state the connection is in, Postgres rolls it back
      throw error
    }
  }

  const submit = (item: Item): Promise<Outcome> => {
    const bytes = sizeOf(item)
    if (waiting.length >= maxWaiting || waitingBytes + bytes > maxWaitingBytes) {
      return Promise.reject(problem(503, 'OVERLOADED', 'too many requests wait for the database', { retryAfter: 1 }))
    }
    return new Promise((resolve, reject) => {
      waiting.push({ item, bytes, deadline: Date.now() + deadlineMs, resolve, reject })
      waitingBytes += bytes
      if (draining.size < lanes) openLane()
      else gathering?.note(waiting.length)
    })
  }
  return Object.assign(submit, { drained: async () => void (await Promise.all(draining)) })
}

function refuse(entries: { reject: (error: unknown) => void }[], error: unknown) {
  for (const { reject } of entries) reject(error)
}

const unavailable = (cause?: unknown) =>
  problem(503, 'DATABASE_UNAVAILABLE', 'the database is away; nothing was stored', { retryAfter: 2, cause })

const outcomeUnknown = (cause?: unknown) =>
  problem(503, 'OUTCOME_UNKNOWN', 'the database did not confirm in time; repeat with the same Idempotency-Key', {
    retryAfter: 2,
    cause
  })

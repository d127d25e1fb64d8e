/** Writers that arrive while a commit is in flight go together in the next one: a lone writer pays nothing. */
import type { Pool } from 'pg'
import { problem } from '#schema/problem'
import { type CommitOptions, createCommit, type Entry } from './commit.js'
import { createGathering, type GatheringOptions } from './gathering.js'

export interface GroupCommitOptions<Item, Outcome> {
  /**
   * Writes the items in one transaction and answers an outcome for each, in their order. After a lost connection it is called
   * again with the same items, whose first commit may have happened: it must insert with `on conflict do nothing`.
   */
  write: CommitOptions<Item, Outcome>['write']
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
  onRetry?: CommitOptions<Item, Outcome>['onRetry']
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

interface Waiting<Item, Outcome> extends Entry<Item, Outcome> {
  bytes: number
}

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
  const commit = createCommit({ pool, write, onRetry })
  const waiting: Waiting<Item, Outcome>[] = []
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

/** Writers that arrive while a commit is in flight go together in the next one: no timer, a lone writer pays nothing. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { problem } from '#schema/problem'
import { isOutage } from './faults.js'

export interface GroupCommitOptions<Item, Outcome> {
  /**
   * Writes the items in one transaction and answers an outcome for each, in their order. After a lost connection it is called
   * again with the same items, whose first commit may have happened: it must insert with `on conflict do nothing`.
   */
  write: (client: PoolClient, items: Item[]) => Promise<Outcome[]>
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
  /** Time to get a commit through while Postgres is away, from the writer's arrival, in ms. Default 10,000. */
  deadlineMs?: number
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
  /** When its writer is told 503 at the latest, if Postgres is away; one more try may still be under way. */
  deadline: number
  bytes: number
  resolve: (outcome: Outcome) => void
  reject: (error: unknown) => void
}

export function createGroupCommit<Item, Outcome>(
  pool: Pool,
  {
    write,
    sizeOf = () => 0,
    maxItems = 500,
    maxBytes = 1_000_000,
    maxWaiting = 2_000,
    maxWaitingBytes = 8_000_000,
    deadlineMs = 10_000
  }: GroupCommitOptions<Item, Outcome>
): GroupCommit<Item, Outcome> {
  const waiting: Entry<Item, Outcome>[] = []
  let waitingBytes = 0
  let draining: Promise<void> | undefined

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

  async function drain() {
    while (waiting.length) await commit(takeGroup())
    draining = undefined
  }

  async function commit(group: Entry<Item, Outcome>[]): Promise<void> {
    let entries = group
    let sent = false
    for (let pause = 50; ; pause = Math.min(pause * 2, 1_000)) {
      try {
        const outcomes = await inConnection((client) => {
          sent = true
          return write(
            client,
            entries.map(({ item }) => item)
          )
        })
        for (const [i, { resolve }] of entries.entries()) resolve(outcomes[i] as Outcome)
        return
      } catch (error) {
        if (!isOutage(error)) {
          if (entries.length === 1) return refuse(entries, error)
          // one bad item fails alone
          for (const entry of entries) await commit([entry])
          return
        }
        const next = Date.now() + pause
        const over = entries.filter(({ deadline }) => next > deadline)
        refuse(over, sent ? outcomeUnknown(error) : unavailable(error))
        entries = entries.filter(({ deadline }) => next <= deadline)
        if (!entries.length) return
        await delay(pause)
      }
    }
  }

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
      draining ??= drain()
    })
  }
  return Object.assign(submit, { drained: async () => draining })
}

function refuse(entries: { reject: (error: unknown) => void }[], error: unknown) {
  for (const { reject } of entries) reject(error)
}

const unavailable = (cause: unknown) =>
  problem(503, 'DATABASE_UNAVAILABLE', 'the database is away; nothing was stored', { retryAfter: 2, cause })

const outcomeUnknown = (cause: unknown) =>
  problem(503, 'OUTCOME_UNKNOWN', 'the database did not confirm in time; repeat with the same Idempotency-Key', {
    retryAfter: 2,
    cause
  })

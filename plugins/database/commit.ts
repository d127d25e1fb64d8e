/** One group's way into the database, and what becomes of it when that fails: halved, alone, or again until its time is over. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { problem } from '#schema/problem'
import { isOutage, isPassing, isSlow } from './faults.js'

/** An item and its writer, who hears once what became of it. */
export interface Entry<Item, Outcome> {
  item: Item
  /** When its writer is told that it did not get through. */
  deadline: number
  resolve: (outcome: Outcome) => void
  reject: (error: unknown) => void
}

export interface CommitOptions<Item, Outcome> {
  pool: Pool
  /** Writes the items in one transaction and answers an outcome for each, in their order. */
  write: (client: PoolClient, items: Item[]) => Promise<Outcome[]>
  /** Hears of a failed commit that may be tried again. */
  onRetry: (error: unknown, items: Item[]) => void
}

/** Times that a lone item may take too long. */
const MOST_SLOW = 2

/** Makes the commit of a group: when it resolves, every writer was told. It never rejects. */
export function createCommit<Item, Outcome>({ pool, write, onRetry }: CommitOptions<Item, Outcome>) {
  /** `unknown`: a commit of these was sent before, and nobody knows what became of it. */
  return async function commit(entries: Entry<Item, Outcome>[], unknown = false): Promise<void> {
    let open = refuseLate(entries, unknown ? outcomeUnknown : unavailable)
    let slow = 0
    for (let pause = 50; open.length; pause = Math.min(pause * 2, 1_000)) {
      const items = open.map(({ item }) => item)
      let sent = false
      try {
        const outcomes = await inConnection(pool, (client) => {
          sent = true
          return write(client, items)
        })
        for (const [i, { resolve }] of open.entries()) resolve(outcomes[i] as Outcome)
        return
      } catch (error) {
        onRetry(error, items)
        if (isSlow(error) && (await answers(pool))) {
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
}

async function inConnection<Result>(pool: Pool, work: (client: PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  try {
    const result = await work(client)
    client.release()
    return result
  } catch (error) {
    client.release(true) // whatever state the connection is in, Postgres rolls it back
    throw error
  }
}

/** Whether Postgres answers at all. */
const answers = (pool: Pool) =>
  pool.query('select 1').then(
    () => true,
    () => false
  )

type Refusable = Pick<Entry<unknown, unknown>, 'deadline' | 'reject'>

/** Refuses those whose time is over, or will be after the pause; answers the others. */
function refuseLate<Open extends Refusable>(entries: Open[], reason: () => Error, pause = 0): Open[] {
  const now = Date.now() + pause
  const late = entries.filter(({ deadline }) => deadline < now)
  if (late.length) refuse(late, reason())
  return entries.filter(({ deadline }) => deadline >= now)
}

function refuse(entries: Refusable[], error: unknown) {
  for (const { reject } of entries) reject(error)
}

const unavailable = (cause?: unknown) =>
  problem(503, 'DATABASE_UNAVAILABLE', 'the database is away; nothing was stored', { retryAfter: 2, cause })

const outcomeUnknown = (cause?: unknown) =>
  problem(503, 'OUTCOME_UNKNOWN', 'the database did not confirm in time; repeat with the same Idempotency-Key', {
    retryAfter: 2,
    cause
  })

/**
 * Counts within windows of time. A request is counted in memory, at once; four times a second the processes tell Redis what they have
 * counted, and hear what all have. So no request waits for Redis, and without it each process counts alone.
 */
import type { FastifyInstance } from 'fastify'
import { type Repetition, repeat } from '#schema/repeat'

export interface CountOptions {
  redis: FastifyInstance['redis']
  /** Prefix of the keys. */
  prefix: string
  windowMs: number
}

interface Count {
  /** Counted here and not told yet. */
  fresh: number
  /** Counted by all, as far as it was told. */
  told: number
  /** When the window ends, by the monotonic clock, in ms. */
  until: number
}

const TELL_MS = 250
/** Callers counted at the most: beyond them the oldest is forgotten. */
const MOST = 100_000

/** Adds to a count whose window begins with the first of them; answers the count, and what is left of the window, in ms. */
const ADD = `
  local count = redis.call('incrby', KEYS[1], ARGV[1])
  local left = redis.call('pttl', KEYS[1])
  if left < 0 then
    left = tonumber(ARGV[2])
    redis.call('pexpire', KEYS[1], left)
  end
  return { count, left }`

export function createCounts({ redis, prefix, windowMs }: CountOptions) {
  const counts = new Map<string, Count>()
  let telling: Repetition | undefined

  function open(name: string, now: number): Count {
    const count = { fresh: 0, told: 0, until: now + windowMs }
    counts.delete(name)
    for (const oldest of counts.keys()) {
      if (counts.size < MOST) break
      counts.delete(oldest)
    }
    counts.set(name, count)
    return count
  }

  async function tell(): Promise<void> {
    const now = performance.now()
    for (const [name, { until }] of counts) if (until <= now) counts.delete(name)
    const open = [...counts].filter(([, { fresh }]) => fresh > 0)
    if (!open.length || redis.status !== 'ready') return
    const told = open.map(([, { fresh }]) => fresh)
    const pipeline = redis.pipeline()
    for (const [i, [name]] of open.entries()) pipeline.eval(ADD, 1, prefix + name, Number(told[i]), windowMs)
    const answers = await pipeline.exec()
    for (const [i, [, count]] of open.entries()) {
      const [error, answer] = answers?.[i] ?? []
      if (error || !Array.isArray(answer)) continue // it goes on counting alone
      count.fresh -= Number(told[i])
      count.told = Number(answer[0])
      count.until = performance.now() + Number(answer[1])
    }
  }

  function tellLater() {
    telling ??= repeat(TELL_MS, async () => {
      await tell().catch(() => {}) // the next time, with what was not told now
      if (counts.size) return TELL_MS
      telling = undefined
      return undefined
    })
  }

  return {
    /** One more; answers how many there are in the window, and what is left of it. */
    add(name: string): { count: number; leftMs: number } {
      const now = performance.now()
      const known = counts.get(name)
      const count = known && now < known.until ? known : open(name, now)
      count.fresh += 1
      tellLater()
      return { count: count.told + count.fresh, leftMs: count.until - now }
    },

    stop: async () => telling?.stop()
  }
}

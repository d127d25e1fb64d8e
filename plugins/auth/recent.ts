/** What was looked up a moment ago: who asks often costs one look-up a moment. */
import { createBounded } from './bounded.js'

export interface RecentOptions {
  /** How long an answer is used, in ms, counted from before it was asked for. */
  ttlMs: number
  /** Answers kept at the most. */
  most: number
}

/** What is not there is asked for each time. */
export function createRecent<Value>(load: (key: string) => Promise<Value | undefined>, { ttlMs, most }: RecentOptions) {
  const kept = createBounded<{ value: Value; until: number }>(most)

  /** What is known without asking. */
  const peek = (key: string): Value | undefined => {
    const known = kept.get(key)
    return known && performance.now() < known.until ? known.value : undefined
  }
  return {
    peek,

    async get(key: string): Promise<Value | undefined> {
      const known = peek(key)
      if (known !== undefined) return known
      const until = performance.now() + ttlMs
      const value = await load(key)
      if (value === undefined) kept.delete(key)
      else kept.set(key, { value, until })
      return value
    },

    /** It has changed: it is looked up anew. */
    forget: (key: string) => void kept.delete(key),

    size: kept.size
  }
}

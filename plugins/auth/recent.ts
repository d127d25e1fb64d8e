/** What was looked up a moment ago: who asks often costs one look-up a moment. */

export interface RecentOptions {
  /** How long an answer is used, in ms, counted from before it was asked for. */
  ttlMs: number
  /** Answers kept at the most. */
  most: number
}

export type Recent<Value> = ReturnType<typeof createRecent<Value>>

/** What is not there is asked for each time. */
export function createRecent<Value>(load: (key: string) => Promise<Value | undefined>, { ttlMs, most }: RecentOptions) {
  const kept = new Map<string, { value: Value; until: number }>()
  return {
    async get(key: string): Promise<Value | undefined> {
      const now = performance.now()
      const known = kept.get(key)
      if (known && now < known.until) return known.value
      const value = await load(key)
      kept.delete(key)
      if (value === undefined) return undefined
      for (const oldest of kept.keys()) {
        if (kept.size < most) break
        kept.delete(oldest)
      }
      kept.set(key, { value, until: now + ttlMs })
      return value
    },

    /** It has changed: it is looked up anew. */
    forget: (key: string) => void kept.delete(key),

    size: () => kept.size
  }
}

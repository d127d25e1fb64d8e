/** Readers that ask while a look-up is in flight go together in the next one: a thousand of them hold one connection. */
import type { Pool } from 'pg'

/** Keys in one look-up at the most. */
const MOST_KEYS = 500

/** Answers the value of a key, or undefined. Rejects with Postgres' own error. */
export type GroupRead<Value> = (key: string) => Promise<Value | undefined>

/** `read` answers what it finds of the keys, by key. */
export function createGroupRead<Value>(
  pool: Pool,
  read: (pool: Pool, keys: string[]) => Promise<Map<string, Value>>
): GroupRead<Value> {
  const waiting = new Map<string, Asked<Value>>()
  let reading = false

  async function drain() {
    while (waiting.size) {
      const group = [...waiting].slice(0, MOST_KEYS)
      for (const [key] of group) waiting.delete(key)
      try {
        const found = await read(
          pool,
          group.map(([key]) => key)
        )
        for (const [key, { resolve }] of group) resolve(found.get(key))
      } catch (error) {
        for (const [, { reject }] of group) reject(error)
      }
    }
    reading = false
  }

  return (key) => {
    const known = waiting.get(key)
    if (known) return known.promise
    let settle: Pick<Asked<Value>, 'resolve' | 'reject'> | undefined
    const promise = new Promise<Value | undefined>((resolve, reject) => {
      settle = { resolve, reject }
    })
    if (settle) waiting.set(key, { promise, ...settle })
    if (!reading) {
      reading = true
      queueMicrotask(drain) // who asks for many in one turn asks once
    }
    return promise
  }
}

interface Asked<Value> {
  promise: Promise<Value | undefined>
  resolve: (value: Value | undefined) => void
  reject: (error: unknown) => void
}

/**
 * Reads through the cache. For each key one loop: those who ask while a round is under way are looked up together in the next, so
 * that what a round finds was current after each of its readers had asked.
 */
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { createCopies } from './copies.js'
import { LOCK_MS, type Look, type Store } from './store.js'

export interface Remembered {
  /** As they were loaded. */
  bytes: Buffer
  /** Weak, of the bytes (RFC 9110 §8.8.3). */
  etag: string
  /** Whether nothing had to be loaded. */
  hit: boolean
}

interface Reader {
  resolve: (found: Remembered) => void
  reject: (error: unknown) => void
}

/** Pause between two looks while another process loads. */
const PAUSE_MS = 10
/** Lives differ by up to this part, so that what was kept together does not end together. */
const JITTER = 0.1

const AWAY = { held: false, version: undefined, locked: true, token: '' } as const

export function createRemember(store: Store, isUntold: (key: string) => boolean) {
  const copies = createCopies()
  const waiting = new Map<string, Reader[]>()

  const take = (key: string) => waiting.get(key)?.splice(0) ?? []

  async function look(key: string): Promise<Look | typeof AWAY> {
    if (store.isAway() || isUntold(key)) return AWAY
    return store.look(key, copies.get(key)?.version).catch(() => AWAY)
  }

  async function run(key: string, ttlMs: number, load: () => Promise<string>): Promise<void> {
    while (waiting.get(key)?.length) {
      await nextTurn() // what has arrived by then asks together
      const readers = take(key)
      try {
        await serve(key, ttlMs, load, readers)
      } catch (error) {
        for (const { reject } of readers) reject(error)
      }
    }
    waiting.delete(key)
  }

  /** One round. Readers that it can serve besides join those given. */
  async function serve(key: string, ttlMs: number, load: () => Promise<string>, readers: Reader[]): Promise<void> {
    const patience = Date.now() + LOCK_MS
    let found = await look(key)
    while (!found.held && !found.locked && Date.now() < patience) {
      await sleep(PAUSE_MS)
      readers.push(...take(key)) // the next look begins after they asked
      found = await look(key)
    }
    if (found.held) {
      const copy = found.bytes ? { ...describe(found.bytes), version: found.version } : copies.get(key)
      if (copy) {
        copies.set(key, copy)
        return settle(readers, copy, true)
      }
    }
    readers.push(...take(key)) // and so does the load
    const { version, token } = { token: '', ...found }
    const text = await load().catch((error) => {
      if (token) store.unlock(key, token).catch(() => {}) // its time ends soon
      throw error
    })
    const loaded = describe(Buffer.from(text))
    if (version !== undefined && !isUntold(key)) {
      const late = take(key)
      const life = Math.max(1, Math.floor(ttlMs * (1 - JITTER * Math.random())))
      const kept = await store.keep(key, { version, token }, text, life).catch(() => undefined)
      if (kept) {
        copies.set(key, { ...loaded, version: kept })
        readers.push(...late) // no write was told while they waited
      } else waiting.set(key, [...late, ...take(key)])
    }
    settle(readers, loaded, false)
  }

  return (key: string, ttlMs: number, load: () => Promise<string>): Promise<Remembered> =>
    new Promise((resolve, reject) => {
      const readers = waiting.get(key)
      if (readers) return void readers.push({ resolve, reject })
      waiting.set(key, [{ resolve, reject }])
      void run(key, ttlMs, load)
    })
}

function settle(readers: Reader[], { bytes, etag }: Omit<Remembered, 'hit'>, hit: boolean): void {
  for (const { resolve } of readers) resolve({ bytes, etag, hit })
}

function describe(bytes: Buffer) {
  return { bytes, etag: `W/"${createHash('sha1').update(bytes).digest('base64url')}"` }
}

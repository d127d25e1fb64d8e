/** Tells Redis what was written. Those who ask while a message is on its way go together in the next one. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { within } from '#schema/within'
import type { Store } from './store.js'

/** Time that a writer waits for a Redis that does not answer, as while a broken connection is made again. */
const PATIENCE_MS = 500
/** Pause between two tries. */
const PAUSE_MS = 50

export function createForget(store: Store, log: FastifyBaseLogger) {
  let untold = new Set<string>()
  let telling = new Set<string>()
  let next: Promise<void> | undefined
  let current: Promise<void> = Promise.resolve()
  /** While Redis cannot be told, writers do not wait for it. */
  let stuck = false
  let stopped = false

  async function tell(): Promise<void> {
    const patience = Date.now() + PATIENCE_MS
    while (untold.size && !stopped) {
      telling = untold
      untold = new Set()
      try {
        const told = store.forget([...telling])
        await (stuck ? told : within(patience - Date.now(), told)) // what comes late is told twice
        telling = new Set()
      } catch (error) {
        for (const key of telling) untold.add(key)
        if (!stuck && Date.now() >= patience) {
          stuck = true
          log.warn({ err: error }, 'Redis could not be told what was written: others may show what was there before')
          void tell()
          return
        }
        await sleep(PAUSE_MS)
      }
    }
    if (stuck) log.info('Redis knows again what was written')
    stuck = false
  }

  return {
    forget: async (key: string): Promise<void> => {
      untold.add(key)
      if (stuck) return
      next ??= current.then(() => {
        next = undefined
        current = stuck ? Promise.resolve() : tell()
        return current
      })
      await next
    },
    /** Whether Redis may still hold what is out of date. */
    isUntold: (key: string) => stuck && (untold.has(key) || telling.has(key)),
    stop: () => {
      stopped = true
    }
  }
}

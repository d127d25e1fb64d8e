/** The cache as a process has it, and something to keep in it. */
import type { Test } from 'tap'
import cache from '#plugins/cache'
import redisPlugin from '#plugins/redis'
import { createApp } from './app.js'

/** How long what was loaded is kept, in ms. */
export const TTL = 30_000

/** The plugin as one process has it. */
export async function createCache(t: Test, url: string, options: { prefix?: string } = {}) {
  const app = createApp(t)
  app.register(redisPlugin, { url })
  app.register(cache, options)
  await app.ready()
  return app.cache
}

/** Something to load that changes, with a count of the loads; `hold` lets them wait. */
export function createSource() {
  let value = 0
  let loads = 0
  let gate: Promise<void> = Promise.resolve()
  return {
    load: async () => {
      loads++
      const read = String(value)
      await gate
      return read
    },
    write: () => ++value,
    loads: () => loads,
    hold: () => {
      let open = () => {}
      gate = new Promise((resolve) => {
        open = resolve
      })
      return () => open()
    }
  }
}

export const many = <Value>(count: number, make: () => Promise<Value>) =>
  Promise.all(Array.from({ length: count }, make))

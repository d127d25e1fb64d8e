/**
 * What is dear to work out and often asked for, remembered in Redis for all gateways. After a write was told here, no gateway
 * shows what was there before it; without Redis everything is loaded anew.
 */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createForget } from './forget.js'
import { createRemember, type Remembered } from './remember.js'
import { createStore } from './store.js'

export type { Remembered } from './remember.js'

export interface CacheOptions {
  /** Put before every key, for installations that share one Redis. Default ''. */
  prefix?: string
}

/** What that is where Bee-Queue's keys have this prefix. */
export const prefixBeside = (queuePrefix: string) => (queuePrefix === 'bq' ? '' : `${queuePrefix}:`)

declare module 'fastify' {
  interface FastifyInstance {
    cache: {
      /**
       * What is kept under the key, or what `load` answers, which is then kept for at most `ttlMs`. Loads of one key go one at a time.
       * Whoever may see different things needs different keys. @throws what `load` throws
       */
      remember: (key: string, ttlMs: number, load: () => Promise<string>) => Promise<Remembered>
      /** Called after a write's commit and before its answer: what the key held is seen by nobody any more. Never rejects. */
      forget: (key: string) => Promise<void>
    }
  }
}

async function cache(app: FastifyInstance, { prefix = '' }: CacheOptions) {
  const store = createStore(app.redis, prefix, app.log)
  const forgetting = createForget(store, app.log)
  const remember = createRemember(store, forgetting.isUntold)
  app.decorate('cache', { remember, forget: forgetting.forget })
  // a first write that finds no connection yet could not tell of itself
  app.addHook('onReady', async () => void (await store.tried()))
  app.addHook('onClose', async () => forgetting.stop())
}

export default fp(cache, { name: 'cache', fastify: '5.x', decorators: { fastify: ['redis'] } })

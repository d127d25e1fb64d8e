/**
 * Who waits for a job hears of its end: the process that ended it tells the others through Redis. The ledger is asked all the
 * same, with growing pauses, for a message may be lost.
 */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '#schema/problem'
import { createWatches, type Watch } from './watches.js'

export interface JobEventsOptions {
  /** Prefix of the channel in Redis. Default 'bq'. */
  prefix?: string
  /** Listen for others' messages; who only ends jobs does without. Default false. */
  listen?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    jobEvents: {
      /**
       * Watches a job, which need not be there yet. Close it. `firstLookMs` is the pause before the ledger is first asked.
       * @throws problem 503 `TOO_MANY_WAITING`
       */
      watch: (id: string, firstLookMs?: number) => Watch
      /** Watches that are open. */
      count: () => number
    }
  }
}

/** Watches that one process holds. */
const MOST_WATCHES = 10_000

async function jobEvents(app: FastifyInstance, { prefix = 'bq', listen = false }: JobEventsOptions) {
  const channel = `${prefix}:ended`
  const watches = createWatches(app.ledger)

  app.ledger.onEnd((ids) => {
    if (app.redis.status !== 'ready') return
    app.redis.publish(channel, ids.join()).catch((error) => app.log.debug({ err: error }, 'the end was not told'))
  })
  app.decorate('jobEvents', {
    count: watches.size,
    watch: (id, firstLookMs) => {
      if (watches.size() >= MOST_WATCHES) {
        throw problem(503, 'TOO_MANY_WAITING', 'too many requests wait for jobs; ask with respond-async', {
          retryAfter: 1
        })
      }
      return watches.open(id, firstLookMs)
    }
  })
  // who waits is answered before the connections are closed
  app.addHook('preClose', async () => watches.closeAll())

  if (!listen) return
  // told to listen on each new connection: left to ioredis, a first one that fails is never repeated, and what a later one throws is not caught
  const subscriber = app.redis.duplicate({ autoResubscribe: false, commandTimeout: undefined })
  subscriber.on('error', () => {}) // its twin says so
  subscriber.on('message', (_channel, ids) => watches.tell(ids.split(',')))
  subscriber.on('ready', () => {
    subscriber
      .subscribe(channel)
      .catch((error) => app.log.debug({ err: error }, 'the channel of ended jobs was not opened'))
  })
  app.addHook('onClose', async () => subscriber.disconnect())
}

export default fp(jobEvents, {
  name: 'job-events',
  fastify: '5.x',
  decorators: { fastify: ['ledger', 'redis'] }
})

/** The consumer: takes jobs from the queue and runs their handlers. */
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import database from '#plugins/database'
import health from '#plugins/health'
import idempotency from '#plugins/idempotency'
import jobEvents from '#plugins/job-events'
import ledger from '#plugins/ledger'
import outside from '#plugins/outside'
import parsedPages from '#plugins/parsed-pages'
import problems from '#plugins/problems'
import queue from '#plugins/queue'
import redis from '#plugins/redis'
import storedPages from '#plugins/stored-pages'
import submissions from '#plugins/submissions'
import worker from '#plugins/worker'
import type { Config } from '#schema/config'
import { loadFolder, type Registry } from '#schema/registry'
import { loggerOf } from '../logger.js'

export interface ConsumerOptions {
  config: Config
  registry: Registry
  /** Handler factories by job type. */
  handlers: Parameters<typeof worker>[1]['handlers']
  /** Called once when the process can no longer work; it must end, non-zero. */
  die: (error: Error) => void
}

/** What we call ourselves to others, and how sites may name us in their robots.txt. */
const PRODUCT = 'Beeline'

/** The handlers in `handlers/`: file name = job type, default export = factory. */
export const loadHandlers = () => loadFolder<ConsumerOptions['handlers'][string]>(new URL('handlers/', import.meta.url))

export function buildConsumer({ config, registry, handlers, die }: ConsumerOptions): FastifyInstance {
  const app = Fastify({
    logger: loggerOf('consumer', config),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true
  })
  app.register(problems)
  app.register(database, {
    url: config.DATABASE_URL,
    connections: config.DATABASE_CONNECTIONS,
    strict: config.STRICT_START,
    onUnfit: die
  })
  app.register(queue, { url: config.REDIS_URL, prefix: config.REDIS_PREFIX, strict: config.STRICT_START })
  app.register(redis, { url: config.REDIS_URL })
  app.register(idempotency, { keepHours: config.IDEMPOTENCY_KEEP_HOURS })
  app.register(ledger, { registry })
  app.register(jobEvents, { prefix: config.REDIS_PREFIX })
  app.register(submissions)
  app.register(storedPages)
  app.register(outside, {
    allow: config.OUTSIDE_ALLOW ?? '',
    userAgent: `${PRODUCT}/${config.APP_VERSION.replace(/[^\w.-]/g, '')}`
  })
  app.register(parsedPages, { agent: PRODUCT })
  app.register(health)
  app.register(worker, { registry, handlers, graceMs: config.SHUTDOWN_GRACE_MS, onBroken: die })
  return app
}

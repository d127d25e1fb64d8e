/** The consumer's work: takes deliveries, runs their jobs under leases, and ends a process that no longer can. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { SUSPECTS } from '#schema/delivery'
import { groupBy } from '#schema/group-by'
import type { Registry } from '#schema/registry'
import type { HandlerFactory } from './handler.js'
import { createLeases } from './leases.js'
import { guardEventLoop } from './loop-guard.js'
import { createRun } from './run.js'
import { createWatchdog } from './watchdog.js'

export { defineHandler, giveUp, retryIn } from './handler.js'

export interface WorkerOptions {
  registry: Registry
  /** Handler factories by job type. */
  handlers: Record<string, HandlerFactory>
  /** Time that running jobs get when the consumer stops, in ms. Default 10,000. */
  graceMs?: number
  /** Called once when the process can no longer work; it must drain and exit non-zero. */
  onBroken: (error: Error) => void
}

async function worker(app: FastifyInstance, { registry, handlers, graceMs = 10_000, onBroken }: WorkerOptions) {
  refuseMismatch(registry, handlers)
  const made = new Map(Object.entries(handlers).map(([type, factory]) => [type, factory(app)]))
  for (const [type, { store }] of made) if (store) app.ledger.storeWith(type, store)

  const leases = createLeases({ app })
  const run = createRun({ app, registry, handlers: made, leases, onBroken })
  const watchdog = createWatchdog({ app, onBroken })
  const releaseLoop = guardEventLoop()

  app.addHook('onReady', async () => {
    app.ledger.relay.start()
    app.queue.consume([...listQueues(registry), { name: SUSPECTS, concurrency: 1 }], run)
    leases.start()
    watchdog.start()
  })
  app.addHook('onClose', async () => {
    watchdog.stop()
    await app.ledger.relay.stop()
    await app.queue.stop(graceMs)
    await leases.giveBack()
    await releaseLoop()
  })
}

function listQueues(registry: Registry) {
  return [...groupBy(registry.jobs.values(), ({ queue }) => queue)].map(([name, types]) => ({
    name,
    concurrency: Math.min(...types.map(({ limits }) => limits.concurrency))
  }))
}

/** @throws Error naming each definition without handler and each handler without definition. */
function refuseMismatch(registry: Registry, handlers: Record<string, HandlerFactory>) {
  const faults = [
    ...[...registry.jobs.keys()]
      .filter((type) => !handlers[type])
      .map((type) => `schema/jobs/${type}.ts has no handler: add services/consumer/handlers/${type}.ts`),
    ...Object.keys(handlers)
      .filter((type) => !registry.jobs.has(type))
      .map((type) => `services/consumer/handlers/${type}.ts has no definition: add schema/jobs/${type}.ts`)
  ]
  if (faults.length) throw new Error(faults.join('\n'))
}

export default fp(worker, { name: 'worker', fastify: '5.x', decorators: { fastify: ['ledger', 'queue'] } })

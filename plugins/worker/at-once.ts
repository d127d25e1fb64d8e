/**
 * The short way of jobs that are only stored: no lease, no row version while they run, one commit for all of it. Only for a
 * delivery that nobody began before: one that came back may hold what killed its process, and its attempts are counted.
 */
import type { FastifyInstance } from 'fastify'
import { groupBy } from '#schema/group-by'
import type { Registry } from '#schema/registry'
import { findFault, judgePayload } from './endings.js'
import type { Handler } from './handler.js'
import type { Arrived } from './run.js'

/** Time that Redis gets to note a beginning, in ms: the jobs are locked meanwhile. */
const PATIENCE_MS = 500

export interface ShortcutOptions {
  app: FastifyInstance
  registry: Registry
  handlers: Map<string, Handler<unknown, unknown>>
}

type LockedJob = Parameters<Parameters<FastifyInstance['ledger']['storeAtOnce']>[0]['resultOf']>[0]

/** Answers whether all jobs of a delivery were stored; what is left has to go the usual way. */
export function createShortcut({ app, registry, handlers }: ShortcutOptions): (delivery: Arrived) => Promise<boolean> {
  const queues = new Set(
    [...groupBy(registry.jobs.values(), ({ queue }) => queue)]
      .filter(([, types]) => types.every(({ name }) => handlers.get(name)?.answer))
      .map(([queue]) => queue)
  )

  function resultOf(job: LockedJob): { value: unknown } | undefined {
    const definition = registry.jobs.get(job.type)
    const answer = handlers.get(job.type)?.answer
    if (!answer || judgePayload(job, definition)) return undefined
    try {
      const value = answer(job)
      return findFault(value, definition) ? undefined : { value }
    } catch {
      return undefined // it happens again where it is noted as an attempt
    }
  }

  return async ({ id, ids, queue, begin }) => {
    if (!queues.has(queue)) return false
    const isFresh = within(PATIENCE_MS, begin())
    try {
      return (await app.ledger.storeAtOnce({ id, ids, queue, isFresh, resultOf })) === ids.length
    } catch (error) {
      app.log.info({ err: error, deliveryId: id }, 'a delivery was not stored at once; its jobs go the usual way')
      return false
    }
  }
}

/** False too when it fails or takes longer. */
function within(ms: number, promise: Promise<boolean>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false)
    promise
      .catch(() => false)
      .then((value) => {
        clearTimeout(timer)
        resolve(value)
      })
  })
}

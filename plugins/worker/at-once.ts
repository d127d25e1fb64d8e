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

  return async ({ id, ids, queue, returned }) => {
    if (returned || !queues.has(queue)) return false
    try {
      return (await app.ledger.storeAtOnce({ id, ids, queue, resultOf })) === ids.length
    } catch (error) {
      app.log.info({ err: error, deliveryId: id }, 'a delivery was not stored at once; its jobs go the usual way')
      return false
    }
  }
}

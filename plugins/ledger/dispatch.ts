/** The deliveries of jobs that are just being accepted: planned before their commit, sent after it. */
import type { FastifyInstance } from 'fastify'
import { uuidv7 } from 'uuidv7'
import { groupBy } from '#schema/group-by'
import type { JobType } from '#schema/registry'
import type { Load } from './load.js'

export interface Dispatched {
  id: string
  type: string
  /** Whether it is not due yet, so that the relay brings it in time. */
  later: boolean
}

export interface Deliveries {
  /** Delivery id by job id. */
  byRow: Map<string, string>
  /** Job ids by delivery id, by queue. */
  byQueue: Map<string, Map<string, string[]>>
  /** Ids of the jobs that were not there before: only those are sent. */
  inserted: Set<string>
}

export interface DispatchOptions {
  app: FastifyInstance
  typeOf: (name: string) => JobType
  load: Load
}

export function createDispatch({ app, typeOf, load }: DispatchOptions) {
  return {
    /** Rows of one type that are committed together travel together, cut to the type's batch. */
    plan(rows: Dispatched[]): Deliveries {
      const byRow = new Map<string, string>()
      const byQueue = new Map<string, Map<string, string[]>>()
      const due = rows.filter(({ later }) => !later)
      for (const [type, ofType] of groupBy(due, (row) => row.type)) {
        const { queue, limits } = typeOf(type)
        if (!load.hasRoom(queue)) continue // the relay brings them, oldest first
        const deliveries = byQueue.get(queue) ?? new Map<string, string[]>()
        byQueue.set(queue, deliveries)
        for (let i = 0; i < ofType.length; i += limits.batch) {
          const ids = ofType.slice(i, i + limits.batch).map(({ id }) => id)
          const deliveryId = uuidv7()
          deliveries.set(deliveryId, ids)
          for (const id of ids) byRow.set(id, deliveryId)
        }
      }
      return { byRow, byQueue, inserted: new Set() }
    },

    /** Hands them to Redis; nobody waits for that. */
    send({ byQueue, inserted }: Deliveries): void {
      for (const [queue, deliveries] of byQueue) {
        const outgoing = [...deliveries]
          .map(([id, ids]) => ({ id, ids: ids.filter((job) => inserted.has(job)) }))
          .filter(({ ids }) => ids.length)
        if (!outgoing.length) continue
        load.noteSent(queue, outgoing.length)
        app.queue.push(queue, outgoing).catch((error) => {
          app.log.warn({ err: error, queue }, 'a delivery did not reach Redis; the relay brings it')
        })
      }
    }
  }
}

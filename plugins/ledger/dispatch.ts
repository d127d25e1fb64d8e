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

interface Delivery {
  id: string
  /** Of its jobs. */
  ids: string[]
}

export interface Deliveries {
  /** Delivery id by job id. */
  byRow: Map<string, string>
  byQueue: Map<string, Delivery[]>
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
      const byQueue = new Map<string, Delivery[]>()
      const due = rows.filter(({ later }) => !later)
      for (const [type, ofType] of groupBy(due, (row) => row.type)) {
        const { queue, limits } = typeOf(type)
        if (!load.hasRoom(queue)) continue // the relay brings them, oldest first
        const deliveries = byQueue.get(queue) ?? []
        byQueue.set(queue, deliveries)
        for (let i = 0; i < ofType.length; i += limits.batch) {
          const ids = ofType.slice(i, i + limits.batch).map(({ id }) => id)
          const delivery = { id: uuidv7(), ids }
          deliveries.push(delivery)
          for (const id of ids) byRow.set(id, delivery.id)
        }
      }
      return { byRow, byQueue }
    },

    /** Hands them to Redis; nobody waits for that. */
    send({ byQueue }: Deliveries): void {
      for (const [queue, deliveries] of byQueue) {
        load.noteSent(queue, deliveries.length)
        app.queue.push(queue, deliveries).catch((error) => {
          app.log.warn({ err: error, queue }, 'a delivery did not reach Redis; the relay brings it')
        })
      }
    }
  }
}

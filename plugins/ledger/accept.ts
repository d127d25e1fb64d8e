/** Accept (design rule 1): one commit, then the answer; the delivery afterwards, which no request awaits. */
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import { uuidv7 } from 'uuidv7'
import { groupBy } from '#schema/group-by'
import type { Registry } from '#schema/registry'
import type { Load } from './load.js'
import { insertJobs } from './queries/accept.js'

export interface NewJob {
  type: string
  /** Checked by the type's schema before. */
  payload: unknown
  /** Whose limit it counts against: an owner's id, or a keyed hash of an anonymous address. */
  submitter: string
  ownerId?: string
  /** Id of the request that brings it. */
  trace?: string
}

type IdempotencyKey = ReturnType<FastifyInstance['idempotency']['readKey']>

interface Row {
  id: string
  key: IdempotencyKey
  type: string
  /** The row as the statement wants it, turned into JSON once. */
  json: string
}

export interface AcceptOptions {
  app: FastifyInstance
  registry: Registry
  load: Load
  /** Id of this process, under which its accepted jobs are counted. */
  process: string
}

export function createAccept({ app, registry, load, process }: AcceptOptions) {
  const commit = app.groupCommit({
    sizeOf: ({ json }: Row) => json.length,
    write: async (client, rows) => {
      const deliveries = planDeliveries(rows)
      const insert = async (tx: PoolClient, taken: Row[]) => {
        const inserted = await insertJobs(tx, { rows: taken, deliveryOf: deliveries.byRow, process })
        deliveries.inserted = inserted
      }
      const outcomes = await app.idempotency.insertOnce(client, 'job', rows, insert)
      send(deliveries)
      return outcomes
    }
  })

  /** Rows of one type that are committed together travel together, cut to the type's batch. */
  function planDeliveries(rows: Row[]): Deliveries {
    const byRow = new Map<string, string>()
    const byQueue = new Map<string, Map<string, string[]>>()
    for (const [type, ofType] of groupBy(rows, ({ type }) => type)) {
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
  }

  function send({ byQueue, inserted }: Deliveries) {
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

  function typeOf(name: string) {
    const type = registry.jobs.get(name)
    if (!type) throw new TypeError(`no job type ${name}`)
    return type
  }

  return async ({ type, payload, submitter, ownerId, trace }: NewJob, key?: IdempotencyKey) => {
    const { queue, version, limits } = typeOf(type)
    const id = uuidv7()
    try {
      load.admit(submitter)
    } catch (refusal) {
      // what was accepted before is answered again, however full it is
      const known = await app.idempotency.lookUp({ id, ...(key && { key }) })
      if (known) return app.idempotency.settle(known)
      throw refusal
    }
    const json = JSON.stringify({
      id,
      type,
      queue,
      payload,
      schema_version: version,
      max_attempts: limits.maxAttempts,
      timeout_ms: limits.timeoutMs,
      submitter,
      owner_id: ownerId,
      trace
    })
    const outcome = await commit({ id, key, type, json }).catch((error) => {
      load.dismiss(submitter)
      throw error
    })
    if (outcome.id !== id) load.dismiss(submitter)
    return app.idempotency.settle(outcome)
  }
}

interface Deliveries {
  /** Delivery id by job id. */
  byRow: Map<string, string>
  /** Job ids by delivery id, by queue. */
  byQueue: Map<string, Map<string, string[]>>
  inserted: Set<string>
}

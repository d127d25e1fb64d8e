/**
 * Jobs that are only stored: claimed, finished and stored in one transaction (design rule 4). Nobody else sees them active, and
 * a failure leaves them queued as they were. Deliveries of one queue share their commits.
 */
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import { groupBy } from '#schema/group-by'
import type { EffectsOf } from './finish.js'
import { finishLocked, type LockedJob, lockFresh } from './queries/at-once.js'
import { commitWith } from './queries/commit.js'

export interface AtOnce {
  id: string
  ids: string[]
  queue: string
  /** A job's result; undefined for one that has to go the usual way. */
  resultOf: (job: LockedJob) => { value: unknown } | undefined
}

export interface AtOnceOptions {
  app: FastifyInstance
  effectsOf: EffectsOf
  /** Hears the ids of each commit, after it. */
  tellEnd: (ids: string[]) => void
}

/** Answers how many of a delivery's jobs were stored. @throws as `GroupCommit` */
export function createStoreAtOnce({ app, effectsOf, tellEnd }: AtOnceOptions): (delivery: AtOnce) => Promise<number> {
  const groups = new Map<string, (delivery: AtOnce) => Promise<number>>()

  async function write(client: PoolClient, deliveries: AtOnce[]): Promise<number[]> {
    const [, locked] = await Promise.all([client.query('begin'), lockFresh(client, deliveries)])
    const byId = new Map(deliveries.map((delivery) => [delivery.id, delivery]))
    const done = locked.flatMap((job) => {
      const result = byId.get(job.deliveryId)?.resultOf(job)
      return result ? [{ job, result: result.value }] : []
    })
    const effects = [...groupBy(done, ({ job }) => job.type)].flatMap(([type, ofType]) => effectsOf(type, ofType))
    await commitWith(client, done.length ? [finishLocked(done), ...effects] : [])
    if (done.length) tellEnd(done.map(({ job }) => job.id))
    const byDelivery = groupBy(done, ({ job }) => job.deliveryId)
    return deliveries.map(({ id }) => byDelivery.get(id)?.length ?? 0)
  }

  return (delivery) => {
    const group = groups.get(delivery.queue) ?? app.groupCommit({ lanes: 2, maxItems: 16, write })
    groups.set(delivery.queue, group)
    return group(delivery)
  }
}

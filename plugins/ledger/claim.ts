/** Claim (design rule 3): a committed update that counts the attempt and leases the job. Claims share their commits. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { groupBy } from '#schema/group-by'
import type { ClaimedJob } from './queries/attempts.js'
import { claimJobs } from './queries/claim.js'

type Delivery = { id: string; ids: string[] }

export function createClaim(app: FastifyInstance): (delivery: Delivery) => Promise<ClaimedJob[]> {
  return app.groupCommit({
    maxItems: 8,
    write: async (client, deliveries: Delivery[]) => {
      const claimed = await claimJobs(client, { deliveries, token: randomUUID() })
      const byDelivery = groupBy(claimed, ({ deliveryId }) => deliveryId)
      return deliveries.map(({ id }) => takeOnce(byDelivery, id))
    }
  })
}

/** A delivery that came out of Redis twice gets its jobs once. */
function takeOnce(byDelivery: Map<string, ClaimedJob[]>, id: string): ClaimedJob[] {
  const jobs = byDelivery.get(id) ?? []
  byDelivery.delete(id)
  return jobs
}

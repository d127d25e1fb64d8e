/** Claim (design rule 3): a committed update that counts the attempt and leases the job. Claims share their commits. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { type ClaimedJob, claimJobs } from './queries.js'

export function createClaim(app: FastifyInstance): (ids: string[]) => Promise<ClaimedJob[]> {
  return app.groupCommit({
    maxItems: 8,
    write: async (client, deliveries: string[][]) => {
      const alone = deliveries.filter((ids) => ids.length === 1).flat()
      const claimed = await claimJobs(client, { ids: deliveries.flat(), alone, token: randomUUID() })
      const byId = new Map(claimed.map((job) => [job.id, job]))
      return deliveries.map((ids) => ids.flatMap((id) => takeOnce(byId, id)))
    }
  })
}

/** Two deliveries of one group may name the same job: only the first gets it. */
function takeOnce(byId: Map<string, ClaimedJob>, id: string): ClaimedJob[] {
  const job = byId.get(id)
  byId.delete(id)
  return job ? [job] : []
}

/** SQL of the claim. */
import type { PoolClient } from 'pg'
import type { ClaimedJob } from './attempts.js'
import { LEASE_S } from './leases.js'
import { IS_QUEUED } from './states.js'

/**
 * Leases those that are queued, due and not expired, and that these very deliveries carry: one that was given up by the relay,
 * and comes out of Redis all the same, finds its jobs under way in another. The commit need not be on the disk: a claim that a
 * crash of Postgres forgets gives the job back, and its token keeps the forgotten attempt from writing.
 */
export async function claimJobs(
  client: PoolClient,
  { deliveries, token }: { deliveries: { id: string; ids: string[] }[]; token: string }
): Promise<ClaimedJob[]> {
  const { rows } = await client.query<ClaimedJob>({
    name: 'claim_jobs',
    text: `update jobs
              set state = 'active', attempts = attempts + 1, version = version + 1, progress = null,
                  lease_token = $3, lease_until = now() + make_interval(secs => ${LEASE_S}), started_at = now()
             from set_config('synchronous_commit', 'off', true)
            where jobs.id = any($1::uuid[]) and jobs.delivery_id = any($2::uuid[]) and ${IS_QUEUED}
              and run_at <= now()
              and (expires_at is null or expires_at > now()) and attempts < max_attempts
           returning jobs.id, jobs.delivery_id as "deliveryId", type, payload, schema_version as "schemaVersion", attempts,
                     max_attempts as "maxAttempts", timeout_ms as "timeoutMs", lease_token as token, trace,
                     owner_id as "ownerId"`,
    values: [deliveries.flatMap(({ ids }) => ids), deliveries.map(({ id }) => id), token]
  })
  return rows
}

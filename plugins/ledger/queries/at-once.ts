/** SQL of the jobs that are claimed and finished in one transaction. */
import type { PoolClient, QueryConfig } from 'pg'
import type { Job } from './attempts.js'
import { arrayOf, objectById } from './id-text.js'
import { IS_QUEUED } from './states.js'

/** A job of which no attempt was made yet, locked until the transaction ends; only what its check and its effects need. */
export type LockedJob = Pick<Job, 'id' | 'deliveryId' | 'type' | 'payload' | 'schemaVersion' | 'ownerId'>

/** Locks those that these very deliveries carry, that are queued, due and not expired, and that nobody tried yet. */
export async function lockFresh(client: PoolClient, deliveries: { id: string; ids: string[] }[]): Promise<LockedJob[]> {
  const { rows } = await client.query<LockedJob>({
    name: 'lock_fresh',
    text: `select id, delivery_id as "deliveryId", type, payload, schema_version as "schemaVersion", owner_id as "ownerId"
             from jobs
            where id = any($1::uuid[]) and delivery_id = any($2::uuid[]) and ${IS_QUEUED}
              and run_at <= now() and (expires_at is null or expires_at > now()) and attempts = 0 and not suspect
              for update`,
    values: [arrayOf(deliveries.flatMap(({ ids }) => ids)), arrayOf(deliveries.map(({ id }) => id))]
  })
  return rows
}

/** Ends well what the transaction has locked. */
export const finishLocked = (done: { job: LockedJob; result: unknown }[]): QueryConfig => ({
  name: 'finish_locked',
  text: `update jobs
            set state = 'succeeded', result = nullif($2::jsonb -> jobs.id::text, 'null'), attempts = 1, progress = 100,
                version = version + 1, started_at = now(), finished_at = clock_timestamp()
          where jobs.id = any($1::uuid[])`,
  values: [arrayOf(done.map(({ job }) => job.id)), objectById(done.map(({ job, result }) => [job.id, result]))]
})

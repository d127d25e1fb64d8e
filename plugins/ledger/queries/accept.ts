/** SQL of the accept. */
import type { PoolClient } from 'pg'
import { arrayOf } from './id-text.js'

interface InsertJobs {
  rows: { id: string; json: string }[]
  /** Delivery that carries a job; a job without one is the relay's. */
  deliveryOf: Map<string, string>
  process: string
}

/** Inserts jobs and counts them for the balance; answers how many were not there before. */
export async function insertJobs(client: PoolClient, { rows, deliveryOf, process }: InsertJobs): Promise<number> {
  const result = await client.query<{ jobs: number }>({
    name: 'accept_jobs',
    text: `with accepted as (
             insert into jobs (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, owner_id, trace,
                               run_at, expires_at, replay_of, batch_id, batch_item, delivery_id, delivered_at)
             select id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, owner_id, trace,
                    coalesce(run_at, now()), expires_at, replay_of, batch_id, batch_item,
                    delivery_id, case when delivery_id is not null then now() end
               from rows from (
                      jsonb_to_recordset($1::jsonb) as (
                        id uuid, type text, queue text, payload jsonb, schema_version integer, max_attempts integer,
                        timeout_ms integer, submitter text, owner_id uuid, trace text, run_at timestamptz,
                        expires_at timestamptz, replay_of uuid, batch_id uuid, batch_item integer),
                      unnest($2::uuid[])
                    ) as given (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, owner_id, trace,
                                run_at, expires_at, replay_of, batch_id, batch_item, delivery_id)
             on conflict (id) do nothing
             returning 1
           ), counted as (
             insert into accept_counts (process, jobs)
             select $3::uuid, count(*) from accepted having count(*) > 0
             on conflict (process) do update set jobs = accept_counts.jobs + excluded.jobs, updated_at = now()
           )
           select count(*)::int as jobs from accepted`,
    values: [
      `[${rows.map(({ json }) => json).join()}]`,
      arrayOf(rows.map(({ id }) => deliveryOf.get(id) ?? null)),
      process
    ]
  })
  return result.rows[0]?.jobs ?? 0
}

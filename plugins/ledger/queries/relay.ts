/** SQL of the relay: what waits, what was given up, whose turn it is. Times are the database's clock. */
import type { PoolClient } from 'pg'
import type { JobState } from '#schema/job'
import { objectById } from './id-text.js'
import { LEASE_S } from './leases.js'
import { IS_QUEUED } from './states.js'

/** Rows that one statement changes at the most; the next turn goes on. */
const MOST_AT_ONCE = 5_000

/** Ends what waited beyond its time. */
export async function expireJobs(client: PoolClient): Promise<void> {
  await client.query({
    name: 'expire_jobs',
    text: `update jobs set state = 'expired', finished_at = now(), version = version + 1, delivery_id = null, delivered_at = null
            where id = any(array(
                    select id from jobs where ${IS_QUEUED} and expires_at is not null and expires_at <= now()
                     limit ${MOST_AT_ONCE} for update skip locked))`
  })
}

/**
 * Takes back what runs beyond its lease: queued again as a suspect while attempts are left, else dead. Not right after Postgres
 * itself started: nobody could renew before.
 */
export async function returnLapsed(client: PoolClient): Promise<{ id: string; state: JobState }[]> {
  const { rows } = await client.query<{ id: string; state: JobState }>({
    name: 'return_lapsed',
    text: `with lapsed as (
             select id from jobs
              where state = 'active' and lease_until < now()
                and pg_postmaster_start_time() < now() - make_interval(secs => ${LEASE_S})
              order by lease_until limit 1000 for update skip locked
           ), returned as (
             update jobs
                set state = case when attempts >= max_attempts then 'dead' else 'queued' end,
                    finished_at = case when attempts >= max_attempts then now() end,
                    error = jsonb_build_object('code', 'CONSUMER_LOST', 'detail', 'the consumer ended without a word'),
                    suspect = true, run_at = now(), version = version + 1, progress = null,
                    lease_until = null, delivery_id = null, delivered_at = null
              where id = any(array(select id from lapsed))
             returning id, state, attempts, error, started_at
           ), noted as (
             insert into job_attempts (job_id, attempt, outcome, error, started_at)
             select id, attempts, 'lapsed', error, started_at from returned
             on conflict do nothing
           )
           select id, state from returned`
  })
  return rows
}

export interface UndeliveredJob {
  id: string
  type: string
  attempts: number
  /** Of its payload, about: one that is stored compressed counts ten times as much as it takes there. */
  bytes: number
}

/** What is due in a queue and has no delivery, its suspects or the others, oldest first. */
export async function findUndelivered(
  client: PoolClient,
  queue: string,
  { suspect, limit }: { suspect: boolean; limit: number }
): Promise<UndeliveredJob[]> {
  const { rows } = await client.query<UndeliveredJob>({
    name: 'find_undelivered',
    // delivery_id, null in all of them, makes this the order of the index: without it Postgres sorts all that waits
    text: `select id, type, attempts,
                  pg_column_size(payload) * case when pg_column_compression(payload) is null then 1 else 10 end as bytes
             from jobs
            where state = 'queued' and queue = $1 and delivery_id is null and run_at <= now() and suspect = $2
            order by delivery_id, run_at limit $3`,
    values: [queue, suspect, limit]
  })
  return rows
}

/** Writes delivery ids on rows that still wait without one; answers those rows' ids. */
export async function stampDeliveries(
  client: PoolClient,
  deliveries: { id: string; ids: string[] }[]
): Promise<Set<string>> {
  const pairs = deliveries.flatMap(({ id, ids }) => ids.map((job) => [job, id] as const))
  const { rows } = await client.query<{ id: string }>({
    name: 'stamp_deliveries',
    text: `update jobs set delivery_id = ($2::jsonb ->> id::text)::uuid, delivered_at = now()
            where id = any($1::uuid[]) and ${IS_QUEUED} and delivery_id is null
           returning id`,
    values: [pairs.map(([job]) => job), objectById(pairs)]
  })
  return new Set(rows.map(({ id }) => id))
}

/** Deliveries of a queue that carry waiting rows for more than a second; `old` after a minute. */
export async function findDeliveries(
  client: PoolClient,
  queue: string
): Promise<{ id: string; suspect: boolean; old: boolean }[]> {
  const { rows } = await client.query<{ id: string; suspect: boolean; old: boolean }>({
    name: 'find_deliveries',
    text: `select delivery_id as id, bool_or(suspect) as suspect, min(delivered_at) < now() - interval '60 s' as old
             from jobs
            where state = 'queued' and queue = $1 and delivery_id is not null and delivered_at < now() - interval '1 s'
            group by delivery_id`,
    values: [queue]
  })
  return rows
}

/** Takes the delivery ids off rows that still wait, passing over those that are just being stored; answers how many rows. */
export async function clearDeliveries(client: PoolClient, queue: string, ids: string[]): Promise<number> {
  const { rowCount } = await client.query({
    name: 'clear_deliveries',
    text: `update jobs set delivery_id = null, delivered_at = null
            where id = any(array(
                    select id from jobs where state = 'queued' and queue = $1 and delivery_id = any($2::uuid[])
                       for update skip locked))`,
    values: [queue, ids]
  })
  return rowCount ?? 0
}

/** Queues that have waiting rows. */
export async function listWaitingQueues(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ queue: string }>({
    name: 'list_waiting_queues',
    // from one name to the next by the index, however many rows wait under each
    text: `with recursive waiting as (
             (select queue from jobs where state = 'queued' order by queue limit 1)
             union all
             select (select queue from jobs where state = 'queued' and queue > waiting.queue order by queue limit 1)
               from waiting where queue is not null
           )
           select queue from waiting where queue is not null`
  })
  return rows.map(({ queue }) => queue)
}

/** Moves some of what has waited in a queue for a minute to the queues that its types have now; answers how many rows. */
export async function moveWaiting(client: PoolClient, from: string, queueOf: Record<string, string>): Promise<number> {
  const { rowCount } = await client.query({
    name: 'move_waiting',
    text: `update jobs set queue = $2::jsonb ->> type, version = version + 1, delivery_id = null, delivered_at = null
            where id = any(array(
                    select id from jobs
                     where state = 'queued' and queue = $1 and $2::jsonb ? type
                       and greatest(run_at, delivered_at) < now() - interval '60 s'
                     limit ${MOST_AT_ONCE} for update skip locked))`,
    values: [from, JSON.stringify(queueOf)]
  })
  return rowCount ?? 0
}

/**
 * One consumer at a time relays. The lock goes with the connection, and Postgres ends a connection that holds it in silence:
 * else a consumer whose line was cut would keep all others from relaying.
 */
export async function tryRelayLock(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select locked, case when locked then set_config('idle_session_timeout', '15s', false) end
       from (select pg_try_advisory_lock(hashtext('beeline.relay')) as locked offset 0) as tried`
  )
  return rows[0]?.locked ?? false
}

export async function unlockRelay(client: PoolClient): Promise<void> {
  await client.query(
    `select pg_advisory_unlock(hashtext('beeline.relay')), set_config('idle_session_timeout', '0', false)`
  )
}

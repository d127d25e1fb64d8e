import type { PoolClient } from 'pg'
import type { Keyed } from './index.js'
import { nameOf } from './key.js'

/** What the id behind a key is the id of. */
export type KeyKind = 'job' | 'batch' | 'submission' | 'task'

/** Takes the keys that are free, in sorted order so that two processes never wait for each other; answers the ids that did. */
export async function takeKeys(client: PoolClient, kind: KeyKind, items: Keyed[]): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>({
    name: 'take_keys',
    text: `insert into idempotency_keys (scope, key, request_hash, kind, id)
           select scope, key, decode(hash, 'hex'), $5, id
             from unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) as given (scope, key, hash, id)
            order by scope collate "C", key collate "C"
           on conflict do nothing
           returning id`,
    values: [...columns(items), items.map(({ id }) => id), kind]
  })
  return new Set(rows.map(({ id }) => id))
}

/** Whose the keys are: id of the row and hash of the request, by scope and key. */
export async function findKeys(
  client: Pick<PoolClient, 'query'>,
  items: Keyed[]
): Promise<Map<string, { id: string; hash: string }>> {
  const [scopes, keys] = columns(items)
  const { rows } = await client.query<{ scope: string; key: string; id: string; hash: string }>({
    name: 'find_keys',
    // laterally, each by the primary key: a join's plan may go through the whole table
    text: `select scope, key, id, hash
             from unnest($1::text[], $2::text[]) as given (scope, key),
                  lateral (select id, encode(request_hash, 'hex') as hash from idempotency_keys as own
                            where own.scope = given.scope and own.key = given.key limit 1) as found`,
    values: [scopes, keys]
  })
  return new Map(rows.map((row) => [nameOf(row), row]))
}

/** Forgets keys whose time is over, so many at the most; answers how many. */
export async function deleteOldKeys(db: Pick<PoolClient, 'query'>, hours: number, most: number): Promise<number> {
  const { rowCount } = await db.query({
    name: 'delete_old_keys',
    // by their places: a join's plan may go through the whole table
    text: `delete from idempotency_keys
            where ctid = any(array(select ctid from idempotency_keys where created_at < now() - make_interval(hours => $1)
                                    order by created_at limit $2 for update skip locked))`,
    values: [hours, most]
  })
  return rowCount ?? 0
}

const columns = (items: Keyed[]): [string[], string[], string[]] => [
  items.map(({ key }) => key?.scope ?? ''),
  items.map(({ key }) => key?.key ?? ''),
  items.map(({ key }) => key?.hash ?? '')
]

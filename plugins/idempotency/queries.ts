import type { PoolClient } from 'pg'
import type { Keyed } from './index.js'

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
  return new Map(rows.map(({ scope, key, id, hash }) => [`${scope}\n${key}`, { id, hash }]))
}

/** Forgets the keys whose time is over. */
export async function deleteOldKeys(
  db: { query: (text: string, values: unknown[]) => Promise<unknown> },
  hours: number
) {
  await db.query(`delete from idempotency_keys where created_at < now() - make_interval(hours => $1)`, [hours])
}

const columns = (items: Keyed[]): [string[], string[], string[]] => [
  items.map(({ key }) => key?.scope ?? ''),
  items.map(({ key }) => key?.key ?? ''),
  items.map(({ key }) => key?.hash ?? '')
]

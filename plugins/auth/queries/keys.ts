/** SQL on API keys. */
import type { Role, Scope } from '#schema/user'
import type { Queryable } from './users.js'

/** A key that holds, with what its user may do now. */
export interface LiveKey {
  id: string
  userId: string
  role: Role
  prefix: string
  hash: Buffer
  scopes: string[]
  /** Whether its last use should be noted. */
  stale: boolean
}

export interface KeyRow {
  id: string
  name: string
  prefix: string
  scopes: Scope[]
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
}

const KEY = 'id, name, prefix, scopes, created_at, expires_at, last_used_at'

export interface NewKey {
  id: string
  userId: string
  name: string
  prefix: string
  hash: Buffer
  scopes: readonly string[]
  expiresInDays?: number
}

/** Keys that one user may have at a time. */
export const MOST_KEYS = 100

const HOLDS = '(expires_at is null or expires_at > now()) and revoked_at is null'

/** Undefined when the user has too many, or the account was shut a moment ago. */
export async function insertKey(db: Queryable, key: NewKey): Promise<KeyRow | undefined> {
  const { id, userId, name, prefix, hash, scopes, expiresInDays } = key
  const { rows } = await db.query<KeyRow>({
    name: 'insert_key',
    text: `insert into api_keys (id, user_id, name, prefix, hash, scopes, expires_at)
           select $1, id, $3, $4, $5, $6, now() + make_interval(days => $7) from users
            where id = $2 and disabled_at is null
              and (select count(*) from api_keys where user_id = $2 and ${HOLDS}) < ${MOST_KEYS} for share
           returning ${KEY}`,
    values: [id, userId, name, prefix, hash, scopes, expiresInDays ?? null]
  })
  return rows[0]
}

export async function findKeys(db: Queryable, prefixes: string[]): Promise<Map<string, LiveKey>> {
  const { rows } = await db.query<LiveKey>({
    name: 'find_api_keys',
    text: `select api_keys.id, user_id as "userId", role, prefix, hash, scopes,
                  coalesce(last_used_at < now() - interval '1 min', true) as stale
             from api_keys join users on users.id = user_id
            where prefix = any($1::text[]) and ${HOLDS} and disabled_at is null`,
    values: [prefixes]
  })
  return new Map(rows.map((row) => [row.prefix, row]))
}

export async function touchKeys(db: Queryable, ids: string[]): Promise<void> {
  await db.query('update api_keys set last_used_at = now() where id = any($1::uuid[])', [ids])
}

export async function listKeys(db: Queryable, userId: string): Promise<KeyRow[]> {
  const { rows } = await db.query<KeyRow>({
    name: 'list_keys',
    text: `select ${KEY} from api_keys where user_id = $1 and ${HOLDS} order by id desc limit ${MOST_KEYS}`,
    values: [userId]
  })
  return rows
}

/** Answers the prefix of the key, when it was still good. */
export async function revokeKey(db: Queryable, { id, userId }: { id: string; userId: string }) {
  const { rows } = await db.query<{ prefix: string }>({
    name: 'revoke_key',
    text: `update api_keys set revoked_at = now() where id = $1 and user_id = $2 and revoked_at is null returning prefix`,
    values: [id, userId]
  })
  return rows[0]?.prefix
}

/** SQL on log-ins. Times are the database's clock. */
import type { Role } from '#schema/user'
import type { Queryable } from './users.js'

/** A log-in that holds, with what its user may do now. */
export interface LiveSession {
  id: string
  userId: string
  role: Role
  kind: 'browser' | 'tokens'
  scopes: string[]
  secretHash: Buffer | null
  /** Whether its last use should be noted. */
  stale: boolean
}

export interface NewSession {
  id: string
  userId: string
  /** Of the password that was shown. */
  passwordSetAt: string | null
  kind: 'browser' | 'tokens'
  secretHash?: Buffer
  scopes: readonly string[]
  address: string
  userAgent: string
  /** How long it may last, in hours. */
  hours: number
}

/** Answers whether it began: not when the password was changed, or the account shut, since the password was shown. */
export async function insertSession(db: Queryable, session: NewSession, refreshHash?: Buffer): Promise<boolean> {
  const { id, userId, passwordSetAt, kind, secretHash, scopes, address, userAgent, hours } = session
  const { rowCount } = await db.query({
    name: 'insert_session',
    text: `with session as (
             insert into sessions (id, user_id, kind, secret_hash, scopes, address, user_agent, expires_at)
             select $1, id, $3, $4, $5, $6, $7, now() + make_interval(hours => $8) from users
              where id = $2 and disabled_at is null and password_changed_at is not distinct from $10::timestamptz for share
             returning id
           ), token as (
             insert into refresh_tokens (hash, session_id) select $9, id from session where $9::bytea is not null
           )
           select id from session`,
    values: [
      id,
      userId,
      kind,
      secretHash ?? null,
      scopes,
      address,
      userAgent,
      hours,
      refreshHash ?? null,
      passwordSetAt
    ]
  })
  return rowCount === 1
}

/** How long an unused log-in lasts, in hours. */
const IDLE_HOURS = 168

/** A log-in holds until it was ended, its time is over, or nobody used it for long. */
export const HOLDS = `ended_at is null and expires_at > now() and last_used_at > now() - interval '${IDLE_HOURS} hours' and disabled_at is null`

export async function findSessions(db: Queryable, ids: string[]): Promise<Map<string, LiveSession>> {
  const { rows } = await db.query<LiveSession>({
    name: 'find_sessions',
    text: `select sessions.id, user_id as "userId", role, kind, scopes, secret_hash as "secretHash",
                  last_used_at < now() - interval '1 min' as stale
             from sessions join users on users.id = user_id
            where sessions.id = any($1::uuid[]) and ${HOLDS}`,
    values: [ids]
  })
  return new Map(rows.map((row) => [row.id, row]))
}

export async function touchSessions(db: Queryable, ids: string[]): Promise<void> {
  await db.query('update sessions set last_used_at = now() where id = any($1::uuid[])', [ids])
}

/** Ends one of a user's sessions; answers whether it was still there. */
export async function endSession(
  db: Queryable,
  { id, userId, because }: { id: string; userId: string; because: 'logged_out' | 'ended' }
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'end_session',
    text: `update sessions set ended_at = now(), ended_because = $3
            where id = $1 and user_id = $2 and ended_at is null and expires_at > now()`,
    values: [id, userId, because]
  })
  return rowCount === 1
}

export interface SessionRow {
  id: string
  kind: 'browser' | 'tokens'
  scopes: ('read' | 'write' | 'account' | 'operate')[]
  user_agent: string
  created_at: Date
  last_used_at: Date
  expires_at: Date
}

/** Log-ins listed for one user at the most; older ones end by themselves. */
const MOST_LISTED = 100

export async function listSessions(db: Queryable, userId: string): Promise<SessionRow[]> {
  const { rows } = await db.query<SessionRow>({
    name: 'list_sessions',
    text: `select sessions.id, kind, scopes, user_agent, sessions.created_at, last_used_at, expires_at
             from sessions join users on users.id = user_id
            where user_id = $1 and ${HOLDS} order by sessions.id desc limit ${MOST_LISTED}`,
    values: [userId]
  })
  return rows
}

/** SQL on log-ins and the refresh tokens of their families. Times are the database's clock. */
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

/** A log-in holds until it was ended, its time is over, or nobody used it for so many hours. */
const HOLDS = (idleHours: string) =>
  `ended_at is null and expires_at > now() and last_used_at > now() - make_interval(hours => ${idleHours}) and disabled_at is null`

export async function findSessions(db: Queryable, ids: string[], idleHours: number): Promise<Map<string, LiveSession>> {
  const { rows } = await db.query<LiveSession>({
    name: 'find_sessions',
    text: `select sessions.id, user_id as "userId", role, kind, scopes, secret_hash as "secretHash",
                  last_used_at < now() - interval '1 min' as stale
             from sessions join users on users.id = user_id
            where sessions.id = any($1::uuid[]) and ${HOLDS('$2')}`,
    values: [ids, idleHours]
  })
  return new Map(rows.map((row) => [row.id, row]))
}

export async function touchSessions(db: Queryable, ids: string[]): Promise<void> {
  await db.query('update sessions set last_used_at = now() where id = any($1::uuid[])', [ids])
}

export interface Rotation {
  sessionId: string
  userId: string
  role: Role
  scopes: string[]
  /** It came again after its grace: the session is ended. */
  reused: boolean
  /** The session has the scopes that were asked for; else nothing was changed. */
  fits: boolean
}

/** Seconds in which a refresh token may come again: parallel requests, and answers that got lost. */
export const GRACE_S = 10

/**
 * Takes a refresh token and puts the next one in its place. Who comes with the same token at the same time waits for the row and
 * is given the same next one; who comes with it later has it from elsewhere, and the session ends (RFC 9700 §4.14).
 */
export async function rotate(
  db: Queryable,
  asked: { hash: Buffer; nextHash: Buffer; idleHours: number; scopes?: readonly string[] }
): Promise<Rotation | undefined> {
  const { rows } = await db.query<Rotation>({
    name: 'rotate_refresh_token',
    text: `with given as (
             select hash, session_id, used_at from refresh_tokens where hash = $1 for update
           ), live as (
             select given.*, user_id, role, scopes, coalesce(used_at < now() - make_interval(secs => ${GRACE_S}), false) as reused,
                    $4::text[] is null or $4 <@ scopes as fits
               from given join sessions on sessions.id = session_id join users on users.id = user_id
              where ${HOLDS('$3')}
           ), used as (
             update refresh_tokens set used_at = now() from live where refresh_tokens.hash = live.hash and live.used_at is null and fits
           ), next as (
             insert into refresh_tokens (hash, session_id) select $2, session_id from live where used_at is null and fits
             on conflict (hash) do nothing
           ), noted as (
             update sessions
                set last_used_at = now(), ended_at = case when reused then now() end,
                    ended_because = case when reused then 'token_reused' end
               from live where sessions.id = live.session_id and (live.used_at is null and fits or reused)
           )
           select session_id as "sessionId", user_id as "userId", role, scopes, reused, fits from live`,
    values: [asked.hash, asked.nextHash, asked.idleHours, asked.scopes ?? null]
  })
  return rows[0]
}

/** Ends the session of a refresh token; answers its id. */
export async function endSessionOfToken(db: Queryable, hash: Buffer): Promise<string | undefined> {
  const { rows } = await db.query<{ id: string }>({
    name: 'end_session_of_token',
    text: `update sessions set ended_at = now(), ended_because = 'logged_out'
            where id = (select session_id from refresh_tokens where hash = $1) and ended_at is null returning id`,
    values: [hash]
  })
  return rows[0]?.id
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
export const MOST_LISTED = 100

export async function listSessions(db: Queryable, userId: string, idleHours: number): Promise<SessionRow[]> {
  const { rows } = await db.query<SessionRow>({
    name: 'list_sessions',
    text: `select sessions.id, kind, scopes, user_agent, sessions.created_at, last_used_at, expires_at
             from sessions join users on users.id = user_id
            where user_id = $1 and ${HOLDS('$2')} order by sessions.id desc limit ${MOST_LISTED}`,
    values: [userId, idleHours]
  })
  return rows
}

/** Days for which ended sessions are remembered: a token of theirs that comes back is known as such. */
const KEEP_DAYS = 30

/** Forgets what ended long ago. */
export async function deleteOldSessions(db: Queryable): Promise<void> {
  await db.query(`delete from sessions where expires_at < now() - make_interval(days => ${KEEP_DAYS})`)
  await db.query(`delete from password_links where expires_at < now() - make_interval(days => ${KEEP_DAYS})`)
}

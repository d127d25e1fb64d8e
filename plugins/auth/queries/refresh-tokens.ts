/** SQL on the refresh tokens of a log-in, its family. Times are the database's clock. */
import type { Role } from '#schema/user'
import { HOLDS } from './sessions.js'
import type { Queryable } from './users.js'

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
const GRACE_S = 10

/**
 * Takes a refresh token and puts the next one in its place. Who comes with the same token at the same time waits for the row and
 * is given the same next one; who comes with it later has it from elsewhere, and the session ends (RFC 9700 §4.14).
 */
export async function rotate(
  db: Queryable,
  asked: { hash: Buffer; nextHash: Buffer; scopes?: readonly string[] }
): Promise<Rotation | undefined> {
  const { rows } = await db.query<Rotation>({
    name: 'rotate_refresh_token',
    text: `with given as (
             select hash, session_id, used_at from refresh_tokens where hash = $1 for update
           ), live as (
             select given.*, user_id, role, scopes, coalesce(used_at < now() - make_interval(secs => ${GRACE_S}), false) as reused,
                    $3::text[] is null or $3 <@ scopes as fits
               from given join sessions on sessions.id = session_id join users on users.id = user_id
              where ${HOLDS}
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
    values: [asked.hash, asked.nextHash, asked.scopes ?? null]
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

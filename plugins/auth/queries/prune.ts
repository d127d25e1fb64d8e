/** SQL that forgets what is over. Each deletes so many rows at the most, passes over those that another process deletes, and answers how many. */
import type { Queryable } from './users.js'

/**
 * Days for which what is over is remembered: a token that comes back is known as one of ours, and addresses from which somebody
 * logged in are not strangers'. Longer than an unused log-in lasts: its last refresh token is not older.
 */
const KEEP_DAYS = 30

const deleteFrom = (table: string, over: string) => async (db: Queryable, most: number) => {
  const { rowCount } = await db.query({
    name: `prune_${table}`,
    // by their places: a join's plan may go through the whole table
    text: `delete from ${table}
            where ctid = any(array(select ctid from ${table} where ${over} < now() - interval '${KEEP_DAYS} days'
                                    order by ${over} limit $1 for update skip locked))`,
    values: [most]
  })
  return rowCount ?? 0
}

/** Before the sessions, which would take theirs along in one statement. */
export const pruneRefreshTokens = deleteFrom('refresh_tokens', 'created_at')
export const pruneSessions = deleteFrom('sessions', 'least(ended_at, expires_at)')
export const pruneKeys = deleteFrom('api_keys', 'least(revoked_at, expires_at)')
export const prunePasswordLinks = deleteFrom('password_links', 'expires_at')

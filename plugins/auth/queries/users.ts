/** SQL on users and the one-time links to choose a password. */
import type { Pool } from 'pg'
import type { Role } from '#schema/user'

export type Queryable = Pick<Pool, 'query'>

export interface UserRow {
  id: string
  username: string
  role: Role
  created_at: Date
}

const USER = 'id, username, role, created_at'

/** Undefined when the name is taken. */
export async function insertUser(
  db: Queryable,
  { id, username, passwordHash }: { id: string; username: string; passwordHash: string }
): Promise<UserRow | undefined> {
  const { rows } = await db.query<UserRow>({
    name: 'insert_user',
    text: `insert into users (id, username, password_hash, password_changed_at) values ($1, lower($2), $3, now())
           on conflict (username) do nothing returning ${USER}`,
    values: [id, username, passwordHash]
  })
  return rows[0]
}

export async function findUser(db: Queryable, id: string): Promise<UserRow | undefined> {
  const { rows } = await db.query<UserRow>({
    name: 'find_user',
    text: `select ${USER} from users where id = $1 and disabled_at is null`,
    values: [id]
  })
  return rows[0]
}

/** A user who has shown the password of that time, to the microsecond. */
export interface LoggedIn extends UserRow {
  passwordSetAt: string | null
}

/** What a log-in is compared with; whether somebody logged in to this account from that address before. */
export interface LoginRow extends LoggedIn {
  passwordHash: string | null
  known: boolean
}

/** By the name in small letters. Postgres has its own idea of them, by which one account could be guessed under several names. */
export async function findLogin(db: Queryable, username: string, address: string): Promise<LoginRow | undefined> {
  const { rows } = await db.query<LoginRow>({
    name: 'find_login',
    text: `select ${USER}, password_hash as "passwordHash", password_changed_at::text as "passwordSetAt",
                  exists (select from sessions where user_id = users.id and address = $2) as known
             from users where username = $1 and disabled_at is null`,
    values: [username, address]
  })
  return rows[0]
}

/** The user's name and hash, for who changes the password. */
export async function findPassword(db: Queryable, id: string) {
  const { rows } = await db.query<{ username: string; passwordHash: string | null }>({
    name: 'find_password',
    text: `select username, password_hash as "passwordHash" from users where id = $1 and disabled_at is null`,
    values: [id]
  })
  return rows[0]
}

/**
 * Lets no log-in of a user begin before the transaction ends: those that had begun are seen by its next statement, and those that
 * come see what it did.
 */
const holdLogIns = (tx: Queryable, userId: string) => tx.query('select from users where id = $1 for update', [userId])

/** Sets a password and ends the user's log-ins, except the one that asks; answers the ended ones. */
export async function setPassword(
  tx: Queryable,
  { userId, passwordHash, exceptSession }: { userId: string; passwordHash: string; exceptSession?: string }
): Promise<string[]> {
  await holdLogIns(tx, userId)
  const { rows } = await tx.query<{ id: string }>({
    name: 'set_password',
    text: `with changed as (
             update users set password_hash = $2, password_changed_at = now() where id = $1 returning id
           ), spent as (
             update password_links set used_at = now() from changed where user_id = changed.id and used_at is null
           )
           update sessions set ended_at = now(), ended_because = 'password_changed'
             from changed where user_id = changed.id and ended_at is null and sessions.id is distinct from $3::uuid
           returning sessions.id`,
    values: [userId, passwordHash, exceptSession ?? null]
  })
  return rows.map(({ id }) => id)
}

/** Replaces a hash that was made with other parameters, as long as it is still the same. */
export async function renewHash(db: Queryable, { id, from, to }: { id: string; from: string; to: string }) {
  await db.query('update users set password_hash = $3 where id = $1 and password_hash = $2', [id, from, to])
}

/** Whose link it is, if it is still good. */
export async function findPasswordLink(db: Queryable, hash: Buffer) {
  const { rows } = await db.query<{ userId: string; username: string }>({
    name: 'find_password_link',
    text: `select user_id as "userId", username from password_links join users on users.id = user_id
            where hash = $1 and used_at is null and expires_at > now() and disabled_at is null`,
    values: [hash]
  })
  return rows[0]
}

/** Sets the password that a link allows to set, once, and ends all log-ins of its user; undefined when the link is no good any more. */
export async function setPasswordByLink(
  tx: Queryable,
  { hash, userId, passwordHash }: { hash: Buffer; userId: string; passwordHash: string }
): Promise<string[] | undefined> {
  await holdLogIns(tx, userId)
  const { rows } = await tx.query<{ ended: string[] }>({
    name: 'set_password_by_link',
    text: `with spent as (
             update password_links set used_at = now()
              where hash = $1 and used_at is null and expires_at > now() returning user_id
           ), changed as (
             update users set password_hash = $2, password_changed_at = now()
               from spent where users.id = user_id and disabled_at is null returning users.id
           ), others as (
             update password_links set used_at = now()
               from changed where user_id = changed.id and used_at is null and hash <> $1
           ), ended as (
             update sessions set ended_at = now(), ended_because = 'password_changed'
               from changed where user_id = changed.id and ended_at is null returning sessions.id
           )
           select array(select id from ended) as ended from changed`,
    values: [hash, passwordHash]
  })
  return rows[0]?.ended
}

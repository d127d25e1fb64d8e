/**
 * Makes an account, or lets one choose another password: `NAME=ada ROLE=operator node build/infra/postgres/user.js`. It prints a link
 * that is good once; no password is ever typed into a command. `SHUT=1` shuts an account, `OPEN=1` opens it again.
 */
import { createHash, randomBytes } from 'node:crypto'
import { uuidv7 } from 'uuidv7'
import { compile } from '#schema/compile'
import { Role, Username } from '#schema/user'
import { command } from './command.js'
import { connect } from './connect.js'
import { readDatabaseUrls } from './urls.js'

/** How long a link is good, in hours. */
const LINK_HOURS = 24

const checkName = compile(Username)
const checkRole = compile(Role)

export interface PasswordLink {
  username: string
  role: string
  /** Whether the account was made now. */
  created: boolean
  /** What the link carries. */
  token: string
}

/** Without `role` an account stays what it is; a new one is a user's. @throws Error for a name or role that cannot be, or a shut account */
export async function makeUser(url: string, { name, role }: { name: string; role?: string }): Promise<PasswordLink> {
  if (checkName(name).errors) throw new Error('NAME must be 2 to 100 letters, digits and . _ @ + -')
  if (role !== undefined && checkRole(role).errors) throw new Error('ROLE must be user or operator')
  const token = randomBytes(32).toString('base64url')
  const client = await connect(url)
  try {
    const { rows } = await client.query<{ username: string; role: string; created: boolean }>(
      `with account as (
         insert into users (id, username, role) values ($1, lower($2), coalesce($3, 'user'))
         on conflict (username) do update set role = coalesce($3, users.role) where users.disabled_at is null
         returning id, username, role, xmax = 0 as created
       ), link as (
         insert into password_links (hash, user_id, expires_at)
         select $4, id, now() + make_interval(hours => ${LINK_HOURS}) from account
       )
       select username, role, created from account`,
      [uuidv7(), name, role ?? null, createHash('sha256').update(token).digest()]
    )
    const [account] = rows
    if (!account) throw new Error(`the account ${name} is shut; make user NAME=${name} OPEN=1 opens it`)
    return { ...account, token }
  } finally {
    await client.end()
  }
}

/** What ended with an account, by number. */
export interface Ended {
  sessions: number
  keys: number
}

/**
 * Shuts an account: nobody logs in to it, and all that opened it ends for good, so that opening it again gives nothing back. What
 * was sent is worked off, and stays. @throws Error when there is no such account
 */
export async function shutUser(url: string, name: string): Promise<Ended> {
  const client = await connect(url)
  try {
    await client.query('begin')
    // first, and by itself: who begins a log-in or makes a key meanwhile waits for it, or is seen by the next statement
    const { rows: users } = await client.query<{ id: string }>(
      'update users set disabled_at = coalesce(disabled_at, now()) where username = lower($1) returning id',
      [name]
    )
    const [user] = users
    if (!user) throw new Error(`there is no account ${name}`)
    const { rows } = await client.query<Ended>(
      `with ended as (
         update sessions set ended_at = now(), ended_because = 'ended'
          where user_id = $1 and ended_at is null and expires_at > now() returning id
       ), revoked as (
         update api_keys set revoked_at = now()
          where user_id = $1 and revoked_at is null and (expires_at is null or expires_at > now()) returning id
       ), spent as (
         update password_links set used_at = now() where user_id = $1 and used_at is null
       )
       select (select count(*) from ended)::int as sessions, (select count(*) from revoked)::int as keys`,
      [user.id]
    )
    await client.query('commit')
    return rows[0] ?? { sessions: 0, keys: 0 }
  } finally {
    await client.end() // what was not committed is undone
  }
}

/** Opens an account that was shut. @throws Error when there is none */
export async function openUser(url: string, name: string): Promise<void> {
  const client = await connect(url)
  try {
    const { rowCount } = await client.query(
      'update users set disabled_at = null where username = lower($1) and disabled_at is not null',
      [name]
    )
    if (!rowCount) throw new Error(`there is no account ${name} that is shut`)
  } finally {
    await client.end()
  }
}

if (process.argv[1] === import.meta.filename) {
  await command('user', async (say) => {
    const { NAME: name, ROLE: role, SHUT, OPEN, PUBLIC_URL, GATEWAY_URL } = process.env
    if (!name) throw new Error('say whose account: make user NAME=ada, or with ROLE=operator')
    for (const [setting, value] of Object.entries({ SHUT, OPEN })) {
      if (value && value !== '1') throw new Error(`${setting} must be 1`)
    }
    if (SHUT && (OPEN || role)) throw new Error('SHUT=1 goes alone')
    const url = readDatabaseUrls(process.env).appUrl
    if (SHUT) {
      const { sessions, keys } = await shutUser(url, name)
      return say(`shut: ${name}; ended: log-ins ${sessions}, keys ${keys}. OPEN=1 opens it again`)
    }
    if (OPEN) await openUser(url, name)
    const made = await makeUser(url, { name, ...(role && { role }) })
    say(`${made.created ? 'new account' : 'account'}: ${made.username} (${made.role})${OPEN ? ', open again' : ''}`)
    say(`choose the password here, once, within ${LINK_HOURS} hours:`)
    say(`  ${PUBLIC_URL || GATEWAY_URL || 'http://127.0.0.1:3000'}/password#${made.token}`)
  })
}

/**
 * Makes an account, or lets one choose another password: `NAME=ada ROLE=operator node build/infra/postgres/user.js`. It prints a link
 * that is good once; no password is ever typed into a command.
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

/** Without `role` an account stays what it is; a new one is a user's. @throws Error for a name or role that cannot be */
export async function makeUser(url: string, { name, role }: { name: string; role?: string }): Promise<PasswordLink> {
  if (checkName(name).errors) throw new Error('NAME must be 2 to 100 letters, digits and . _ @ + -')
  if (role !== undefined && checkRole(role).errors) throw new Error('ROLE must be user or operator')
  const token = randomBytes(32).toString('base64url')
  const client = await connect(url)
  try {
    const { rows } = await client.query<{ username: string; role: string; created: boolean }>(
      `with account as (
         insert into users (id, username, role) values ($1, lower($2), coalesce($3, 'user'))
         on conflict (username) do update set role = coalesce($3, users.role), disabled_at = null
         returning id, username, role, xmax = 0 as created
       ), link as (
         insert into password_links (hash, user_id, expires_at)
         select $4, id, now() + make_interval(hours => ${LINK_HOURS}) from account
       )
       select username, role, created from account`,
      [uuidv7(), name, role ?? null, createHash('sha256').update(token).digest()]
    )
    const [account] = rows
    if (!account) throw new Error('the account was not made')
    return { ...account, token }
  } finally {
    await client.end()
  }
}

if (process.argv[1] === import.meta.filename) {
  await command('user', async (say) => {
    const { NAME: name, ROLE: role, PUBLIC_URL, HOST = '127.0.0.1', PORT = '3000' } = process.env
    if (!name) throw new Error('say whose account: make user NAME=ada, or with ROLE=operator')
    const made = await makeUser(readDatabaseUrls(process.env).appUrl, { name, ...(role && { role }) })
    say(`${made.created ? 'new account' : 'account'}: ${made.username} (${made.role})`)
    say(`choose the password here, once, within ${LINK_HOURS} hours:`)
    say(`  ${PUBLIC_URL || `http://${HOST || '127.0.0.1'}:${PORT || '3000'}`}/password#${made.token}`)
  })
}

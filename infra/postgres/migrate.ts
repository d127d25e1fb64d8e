/** Brings the database to the latest structure, or one step back: `node build/infra/postgres/migrate.js [up|down]`. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { command } from './command.js'
import { connect } from './connect.js'
import { type DatabaseUrls, readDatabaseUrls } from './urls.js'

export interface MigrateOptions extends DatabaseUrls {
  direction?: 'up' | 'down'
  say?: (line: string) => void
}

// From build/infra/postgres, where this runs, to the project.
const SQL = join(import.meta.dirname, '../../../infra/postgres')
// Any number of our own: two starts at once migrate one after the other.
const LOCK = 5_460_331

/**
 * Answers the names of the migrations that ran: none when the database was up to date.
 * The role that serves is made when it does not exist; one URL for both leaves the roles as they are.
 */
export async function migrate({ ownerUrl, appUrl, direction = 'up', say = () => {} }: MigrateOptions) {
  const client = await connect(ownerUrl, say)
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK])
    const app = servingRole(ownerUrl, appUrl)
    if (!app) say('warning: one database role for both: the services could change the structure and delete rows')
    if (app && direction === 'up') await createRole(client, app)
    const ran = await runner({
      dbClient: client,
      dir: join(SQL, 'migrations'),
      direction,
      count: direction === 'down' ? 1 : Number.POSITIVE_INFINITY,
      migrationsTable: 'pgmigrations',
      advisoryLockMode: 'wait',
      logger: { info: () => {}, warn: say, error: say }
    })
    if (app && direction === 'up') await grantRights(client, app.user)
    return ran.map(({ name }) => name)
  } finally {
    await client.end()
  }
}

function servingRole(ownerUrl: string, appUrl: string) {
  const [owner, app] = [new URL(ownerUrl), new URL(appUrl)].map(({ username, password }) => ({
    user: decodeURIComponent(username),
    password: decodeURIComponent(password)
  }))
  return app && app.user !== owner?.user ? app : undefined
}

async function createRole(client: pg.Client, { user, password }: { user: string; password: string }) {
  const found = await client.query('select 1 from pg_roles where rolname = $1', [user])
  if (found.rowCount) return
  await client.query(`create role ${pg.escapeIdentifier(user)} login password ${pg.escapeLiteral(password)}`)
}

async function grantRights(client: pg.Client, role: string) {
  await client.query("select set_config('beeline.app_role', $1, false)", [role])
  await client.query(await readFile(join(SQL, 'grants.sql'), 'utf8'))
}

if (process.argv[1] === import.meta.filename) {
  await command('migrate', async (say) => {
    const direction = process.argv[2] === 'down' ? 'down' : 'up'
    const ran = await migrate({ ...readDatabaseUrls(process.env), direction, say })
    for (const name of ran) say(`migrated ${direction}: ${name}`)
    if (ran.length === 0) say('nothing to do: the database is up to date')
  })
}

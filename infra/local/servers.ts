/** Postgres and Redis of a local run: started here, or the user's own. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDatabase } from '../postgres/create-database.js'
import { migrate } from '../postgres/migrate.js'
import { seed } from '../postgres/seed.js'
import { readDatabaseUrls } from '../postgres/urls.js'
import { allSettled } from './all-settled.js'
import type { Environment } from './env-file.js'
import { awaitGivenServers } from './given-servers.js'
import { type KeptService, keepAlive } from './keep-alive.js'
import type { Lifeline } from './lifeline.js'
import { openLogFile } from './log-files.js'
import { choosePort } from './ports.js'
import { findPostgres, initPostgres, OWNER, setPasswords, startPostgres } from './postgres.js'
import { isReachable, type SystemUser, stateFolder } from './postgres-binaries.js'
import { startRedis } from './redis.js'
import { fetchRedis, findRedis } from './redis-program.js'
import type { LocalSettings } from './settings.js'

export interface ServersOptions {
  settings: LocalSettings
  lifeline: Lifeline
  say: (line: string) => void
  /** Gives up the start. */
  signal: AbortSignal
  /** Each server as soon as it runs, so that a failure can stop it. */
  onService: (service: KeptService, url: string, httpsUrl?: string) => void
  onRestart: () => void
}

const APP = 'beeline_app'
const DATABASE = 'beeline'

/** Brings both up, migrated; answers all variables that the services need. */
export async function startServers(options: ServersOptions): Promise<Environment> {
  const { settings, say } = options
  await awaitGivenServers(options)
  const [database, queue] = await allSettled(
    settings.given.postgres ? undefined : startDatabase(options),
    settings.given.redis ? undefined : startQueue(options)
  )
  options.signal.throwIfAborted()
  const environment = { ...settings.environment, ...database?.urls, ...queue }
  const urls = readDatabaseUrls(environment)
  const ran = await migrate({ ...urls, say })
  if (ran.length > 0) say(`database migrated: ${ran.join(', ')}`)
  if (database?.isNew) say(`sample data: ${await seed(urls.ownerUrl)} rows`)
  return environment
}

async function startDatabase({ settings, lifeline, say, signal, onService, onRestart }: ServersOptions) {
  const { dataDir, environment } = settings
  const programs = await findPostgres(say)
  const dir = join(await serversFolder(dataDir, programs.user), 'postgres')
  const passwords = {
    [OWNER]: environment.DATABASE_OWNER_PASSWORD ?? '',
    [APP]: environment.DATABASE_PASSWORD ?? ''
  }
  const isNew = await initPostgres(programs, dir, passwords[OWNER] ?? '')
  if (isNew)
    say(`new database cluster in ${dir}${dir.startsWith(dataDir) ? '' : ` (${dataDir} is closed to its user)`}`)
  await keepPasswords(dataDir, passwords, async () => {
    if (isNew) return
    say('the passwords in .env have changed: setting them in the database')
    await setPasswords(programs, dir, passwords)
  })

  const port = await choosePort(dataDir, 'postgres')
  const onLine = await openLogFile(dataDir, 'postgres')
  const server = await keepAlive({
    name: 'postgres',
    launch: (abort) => startPostgres(programs, dir, { port, onLine, signal: abort, onStart: lifeline.add }),
    say,
    signal,
    onRestart
  })
  const address = (role: keyof typeof passwords) =>
    `postgres://${role}:${encodeURIComponent(passwords[role])}@127.0.0.1:${port}/${DATABASE}`
  onService(server, `postgres://127.0.0.1:${port}/${DATABASE}`)
  await createDatabase(address(OWNER))
  return { isNew, urls: { DATABASE_URL: address(APP), DATABASE_OWNER_URL: address(OWNER) } }
}

async function startQueue({
  settings,
  lifeline,
  say,
  signal,
  onService,
  onRestart
}: ServersOptions): Promise<Environment> {
  const { dataDir } = settings
  const program = (await findRedis()) ?? (await fetchRedis(say))
  const port = await choosePort(dataDir, 'redis')
  const onLine = await openLogFile(dataDir, 'redis')
  const dir = join(dataDir, 'redis')
  const server = await keepAlive({
    name: 'redis',
    launch: (abort) => startRedis(program, { port, dir, onLine, signal: abort, onStart: lifeline.add }),
    say,
    signal,
    onRestart
  })
  const url = `redis://127.0.0.1:${port}`
  onService(server, url)
  return { REDIS_URL: url }
}

/** Where Postgres and nginx keep the files of a data folder: inside it, unless the users that run them cannot get there. */
export async function serversFolder(dataDir: string, user: SystemUser | undefined): Promise<string> {
  if (user === undefined || (await isReachable(dataDir, user))) return dataDir
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 12)
  return join(stateFolder(), `data-${name}`)
}

/** Calls `onChange` when the passwords are other than at the last start. */
async function keepPasswords(dataDir: string, passwords: Record<string, string>, onChange: () => Promise<void>) {
  const file = join(dataDir, 'passwords.sha256')
  const now = createHash('sha256').update(JSON.stringify(passwords)).digest('hex')
  const before = await readFile(file, 'utf8').catch(() => undefined)
  if (before === now) return
  await onChange()
  await mkdir(dataDir, { recursive: true })
  await writeFile(file, now, { mode: 0o600 })
}

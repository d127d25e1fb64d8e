import { execFile } from 'node:child_process'
import { chown, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import {
  exists,
  findPostgresBinaries,
  findServerUser,
  type PostgresBinaries,
  type SystemUser
} from './postgres-binaries.js'
import { type ServerProcess, type ServerProcessOptions, spawnServer } from './server-process.js'

export interface Postgres extends Omit<ServerProcess, 'stop'> {
  /** Ends sessions and stops cleanly. */
  stop(): Promise<void>
}

export interface PostgresPrograms extends PostgresBinaries {
  /** Who runs it when we are root. */
  user: SystemUser | undefined
}

export interface StartOptions extends Pick<ServerProcessOptions, 'onStart' | 'onLine' | 'signal'> {
  port: number
  /** Settings of the server, as `-c` takes them. */
  settings?: Record<string, string>
}

/** Role that owns the cluster and its database. */
export const OWNER = 'beeline_owner'

const run = promisify(execFile)

/** The embedded Postgres of this machine. */
export async function findPostgres(say: (line: string) => void): Promise<PostgresPrograms> {
  const user = await findServerUser()
  return { ...(await findPostgresBinaries(user, say)), user }
}

/** Makes a new cluster in `dir`, unless one is there. Answers whether it is new. */
export async function initPostgres(programs: PostgresPrograms, dir: string, password: string): Promise<boolean> {
  if (await exists(dir)) return false
  const part = `${dir}.new` // renamed when complete: an interrupted start leaves no half cluster
  const secret = `${dir}.password`
  await rm(part, { recursive: true, force: true })
  await mkdir(dirname(dir), { recursive: true })
  await mkdir(part, { mode: 0o700 })
  await writeFile(secret, password, { mode: 0o600 })
  try {
    await Promise.all([part, secret].map((path) => give(path, programs.user)))
    await run(
      programs.initdb,
      [
        ...['-D', part, '-U', OWNER, `--pwfile=${secret}`, '--auth=scram-sha-256', '--locale=C', '--encoding=UTF8'],
        // all files at once instead of one by one
        ...(process.platform === 'linux' ? ['--sync-method=syncfs'] : [])
      ],
      { ...programs.user, cwd: '/', env: serverEnvironment() }
    )
    await rename(part, dir)
    await syncFolder(dirname(dir)) // or a power cut could take the name back, and with it the data
  } catch (cause) {
    throw new Error(`initdb failed in ${dir}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  } finally {
    await rm(secret, { force: true })
    await rm(part, { recursive: true, force: true })
  }
  return true
}

/** Starts the server of a cluster on the loopback address and resolves when it takes connections. */
export async function startPostgres(programs: PostgresPrograms, dir: string, options: StartOptions): Promise<Postgres> {
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...options.settings }
  const server = await spawnServer({
    ...options,
    ...programs.user,
    name: 'Postgres',
    command: programs.postgres,
    args: [
      ...['-D', dir, '-p', String(options.port)],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    ],
    ready: /database system is ready to accept connections/,
    cwd: '/',
    env: serverEnvironment(),
    detached: true // a Ctrl-C in the terminal reaches the supervisor alone, which stops in order
  })
  return { ...server, stop: () => server.stop('SIGINT').then(() => undefined) }
}

/** Sets passwords of a stopped cluster without knowing the old ones. Roles that are not there are left out. */
export async function setPasswords(programs: PostgresPrograms, dir: string, passwords: Record<string, string>) {
  const quote = (text: string) => `'${text.replaceAll("'", "''")}'`
  const statements = Object.entries(passwords).map(
    ([role, password]) =>
      `do $$begin if to_regrole(${quote(role)}) is not null then alter role "${role}" password ${quote(password)}; end if; end$$;`
  )
  const single = run(programs.postgres, ['--single', '-D', dir, 'postgres'], {
    ...programs.user,
    cwd: '/',
    env: serverEnvironment()
  })
  single.child.stdin?.end(`${statements.join('\n')}\n`)
  await single
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}

async function give(path: string, user: SystemUser | undefined): Promise<void> {
  if (user) await chown(path, user.uid, user.gid)
}

// Postgres reads PG* variables and the locale: ours must not change the server.
function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, TZ } = process.env
  return { PATH, HOME, TMPDIR, TZ, LC_ALL: 'C' }
}

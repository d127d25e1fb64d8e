import { execFile } from 'node:child_process'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { stateFolder } from './postgres-binaries.js'
import { findProgram, isExecutable } from './programs.js'

export interface RedisProgram {
  command: string
  /** Folders of its shared libraries, when it was unpacked and not installed. */
  libraries?: string
}

type Say = (line: string) => void

const run = promisify(execFile)
const NAMES = ['valkey-server', 'redis-server']
const POLICY = '/usr/sbin/policy-rc.d'

const unpacked = () => join(stateFolder(), 'redis')

/** Looks for a Redis on PATH, in the usual folders and where `fetchRedis` unpacks one. */
export async function findRedis(): Promise<RedisProgram | undefined> {
  const installed = await findProgram(NAMES)
  if (installed) return { command: installed }
  const command = join(unpacked(), 'usr/bin/redis-server')
  return (await isExecutable(command)) ? { command, libraries: await libraryFolders() } : undefined
}

/**
 * Gets a Redis with apt: installed when we are root, else unpacked into a folder of our own.
 * @throws Error that names the ways out where that is impossible.
 */
export async function fetchRedis(say: Say): Promise<RedisProgram> {
  try {
    if (!(await findProgram(['apt-get']))) throw new Error('there is no apt-get here')
    if (process.getuid?.() === 0) await installRedis(say)
    else await unpackRedis(say)
  } catch (cause) {
    throw new Error(`no Redis found, and it could not be fetched: ${reasonOf(cause)}\n${WAYS_OUT}`, { cause })
  }
  const found = await findRedis()
  if (!found) throw new Error(`apt brought no redis-server\n${WAYS_OUT}`)
  return found
}

const WAYS_OUT = [
  'Ways out: install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install valkey),',
  'or name a running one: make up REDIS_URL=redis://host:6379,',
  'or use a Docker engine: make up ENGINE=docker'
].join('\n  ')

async function installRedis(say: Say): Promise<void> {
  say('no Redis on this machine: apt-get install redis-server (its own service stays off)')
  // Debian starts a service as it is installed, unless this file says no
  const ours = await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' }).then(
    () => true,
    () => false
  )
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const install = () => run('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], { env })
    await install().catch(async () => {
      say('apt-get update')
      await run('apt-get', ['update'], { env })
      await install()
    })
    // nor at the next boot; without systemd there is nothing to switch off
    await run('systemctl', ['disable', 'redis-server']).catch(() => {})
  } finally {
    if (ours) await rm(POLICY, { force: true })
  }
}

async function unpackRedis(say: Say): Promise<void> {
  const folder = unpacked()
  say(`no Redis on this machine: apt-get download redis-server, unpacked into ${folder}`)
  await mkdir(folder, { recursive: true })
  const packages = await missingPackages()
  await run('apt-get', ['download', ...packages], { cwd: folder })
  const archives = (await readdir(folder)).filter((name) => name.endsWith('.deb'))
  for (const archive of archives) await run('dpkg', ['-x', archive, '.'], { cwd: folder })
  await Promise.all(archives.map((archive) => rm(join(folder, archive))))
}

// Redis and what it is linked to. Debian keeps the program itself in redis-tools.
async function missingPackages(): Promise<string[]> {
  const ours = ['redis-server', 'redis-tools']
  const needed = await run('apt-cache', ['depends', ...ours])
  const installed = await run('dpkg-query', ['-W', '-f', `\${Package} \${db:Status-Status}\n`])
  const present = new Set(installed.stdout.match(/^\S+(?= installed$)/gm))
  const names = [...needed.stdout.matchAll(/^ {2}Depends: ([a-z0-9.+-]+)$/gm)].map(([, name]) => name ?? '')
  return [...new Set([...ours, ...names.filter((name) => !present.has(name))])]
}

async function libraryFolders(): Promise<string> {
  const folders = ['usr/lib', 'lib'].map((path) => join(unpacked(), path))
  const triplet = `${arch() === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  return folders.flatMap((folder) => [join(folder, triplet), folder]).join(delimiter)
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stderr = 'stderr' in error ? String(error.stderr).trim().split('\n').slice(-2).join('; ') : ''
  return stderr || error.message
}

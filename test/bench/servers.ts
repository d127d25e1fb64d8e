/** One Postgres and one Redis for all sides, and a fresh database for each run. */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { findFreePort } from '../../infra/local/ports.js'
import { findPostgres, initPostgres, OWNER, type PostgresPrograms, startPostgres } from '../../infra/local/postgres.js'
import { isReachable, stateFolder } from '../../infra/local/postgres-binaries.js'
import { startRedis } from '../../infra/local/redis.js'
import { findRedis } from '../../infra/local/redis-program.js'
import { ACCOUNTING } from './statements.js'

export interface Servers {
  /** Folder for logs and files of this benchmark, deleted in the end. */
  folder: string
  /** The process whose children are all of Postgres. */
  postgresPid: number
  redisPid: number
  redisUrl: string
  redis: Redis
  /** Connection to the server's first database, in the owner's role. */
  admin: pg.Client
  /** Address of a database, in the owner's role. */
  databaseUrl(name: string): string
  /** Both servers at rest: no key, no dirty page, no rewrite under way. */
  rest(): Promise<void>
  close(): Promise<void>
}

const PASSWORD = 'bench'

/** Starts both with the settings that ship, except that Postgres also notes when each commit was made. */
export async function startServers(
  say: (line: string) => void,
  { profile }: { profile?: string | undefined }
): Promise<Servers> {
  const closing: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step()
  }
  try {
    const programs = await findPostgres(say)
    const folder = await makeFolder(programs)
    closing.push(() => rm(folder, { recursive: true }))
    const [port, redisPort] = await Promise.all([findFreePort(), findFreePort()])
    const cluster = join(folder, 'postgres')
    await initPostgres(programs, cluster, PASSWORD)
    const settings = { track_commit_timestamp: 'on', ...(profile && ACCOUNTING) }
    const postgres = await startPostgres(programs, cluster, { port, settings })
    closing.push(() => postgres.stop())
    const program = await findRedis()
    if (!program) throw new Error('no valkey-server or redis-server found: install one to run the benchmark')
    const redisServer = await startRedis(program, { port: redisPort, dir: join(folder, 'redis') })
    closing.push(() => redisServer.stop())

    const databaseUrl = (name: string) => `postgres://${OWNER}:${PASSWORD}@127.0.0.1:${port}/${name}`
    const admin = new pg.Client(databaseUrl('postgres'))
    admin.on('error', () => {}) // when Postgres ends first, the statement under way says so
    await admin.connect()
    closing.push(() => admin.end())
    const redisUrl = `redis://127.0.0.1:${redisPort}/0`
    const redis = new Redis(redisUrl)
    closing.push(() => redis.quit())
    const pids = { postgresPid: postgres.pid, redisPid: redisServer.pid }
    return { folder, ...pids, redisUrl, redis, admin, databaseUrl, rest: () => rest(admin, redis), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A folder on the disk, not below the system's temporary one: that may be memory, where a commit costs nothing. */
async function makeFolder({ user }: PostgresPrograms): Promise<string> {
  const near = resolve('.data')
  const parent = !user || (await isReachable(near, user)) ? near : stateFolder()
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'bench-'))
  await chmod(folder, 0o755)
  return folder
}

async function rest(admin: pg.Client, redis: Redis): Promise<void> {
  await admin.query('checkpoint')
  await redis.flushall()
  const rewritten = async () => {
    while ((await redis.info('persistence')).includes('aof_rewrite_in_progress:1')) await sleep(20)
  }
  await rewritten()
  await redis.bgrewriteaof() // else the file, grown by all runs so far, is rewritten in the middle of one
  await rewritten()
}

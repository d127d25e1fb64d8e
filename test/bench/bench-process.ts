/** A Node process of a side, as an installation would run it: its log goes to a file. */
import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { eventually } from '../helpers/eventually.js'

export interface BenchProcess {
  pid: number
  /** SIGTERM, and SIGKILL when it is still there after 15 s. */
  stop(): Promise<void>
}

export interface BenchProcessOptions {
  /** Program, relative to `build/`. */
  script: string
  environment: NodeJS.ProcessEnv
  log: string
  /** What its log says when it serves. */
  ready: RegExp
  /** Folder for a CPU profile. */
  profile: string | undefined
}

/** @throws Error with the end of the log when the process does not become ready. */
export async function startProcess(options: BenchProcessOptions): Promise<BenchProcess> {
  const { script, environment, log, ready, profile } = options
  const file = await open(log, 'w')
  const profiling = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []
  const child = spawn(process.execPath, [...profiling, `build/${script}`], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', file.fd, file.fd]
  })
  await file.close()
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill) // an interrupted benchmark leaves nothing behind
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      process.off('exit', kill)
      resolve()
    })
  )
  const stop = async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(kill, 15_000)
    await exited
    clearTimeout(timer)
  }
  try {
    await eventually(
      async () => {
        const text = await readFile(log, 'utf8')
        if (child.exitCode === null && !ready.test(text))
          throw new Error(`${script} is not ready:\n${text.slice(-2000)}`)
      },
      { timeout: 30_000, pause: 20 }
    )
  } catch (error) {
    await stop()
    throw error
  }
  if (child.exitCode !== null) throw new Error(`${script} ended:\n${(await readFile(log, 'utf8')).slice(-2000)}`)
  if (child.pid === undefined) throw new Error(`${script} could not be started`)
  return { pid: child.pid, stop }
}

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ServerProcess {
  pid: number
  /** What the line that said "ready" matched. */
  ready: RegExpMatchArray
  exited: Promise<Exit>
  kill(signal: NodeJS.Signals): void
  /** Whether it keeps our own process alive. It does at first. */
  hold(alive: boolean): void
  /** Sends the signal and waits; SIGKILL follows when the process is still there after the grace time (ms). Default 15,000. */
  stop(signal: NodeJS.Signals, grace?: number): Promise<Exit>
}

export interface ServerProcessOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid' | 'detached'> {
  /** How messages call it. */
  name: string
  command: string
  args: string[]
  /** A line of its output that matches says that it serves. */
  ready: RegExp
  /** Called as soon as it has a process id, before it is ready. */
  onStart?: (pid: number, exited: Promise<Exit>) => void
  /** Each line that it prints. */
  onLine?: (line: string) => void
  /** Time until the ready line, in ms. Default 30,000. */
  timeout?: number
  signal?: AbortSignal
}

const KEPT_LINES = 15
/** Time that a server gets to stop, in ms, when nobody says another. */
export const STOP_MS = 15_000

/**
 * Starts a server and resolves when it says that it is ready.
 * @throws Error with its last lines when it ends, stays silent for too long or cannot be started.
 */
export async function spawnServer(options: ServerProcessOptions): Promise<ServerProcess> {
  const { name, command, args, ready, onStart, onLine, timeout = 30_000, signal, ...spawnOptions } = options
  const last: string[] = []
  const child = spawn(command, args, { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = waitForExit(child)
  const kill = (signalName: NodeJS.Signals) => void child.kill(signalName)
  if (child.pid !== undefined) onStart?.(child.pid, exited)

  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      settle()
      kill('SIGKILL')
      reject(new Error([`${name} ${reason}`, ...last.map((line) => `  ${line}`)].join('\n')))
    }
    const timer = setTimeout(fail, timeout, `was not ready after ${timeout / 1000} s`)
    const abort = () => fail('was stopped while it started')
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    signal?.addEventListener('abort', abort)
    child.once('error', (error) => fail(`could not be started: ${error.message}`))
    // `close`, not `exit`: by then the last lines have arrived
    child.once('close', (code, killedBy) => fail(`ended ${killedBy ? `by ${killedBy}` : `with code ${code}`}`))
    readLines(child, (line) => {
      onLine?.(line)
      last.push(line)
      if (last.length > KEPT_LINES) last.shift()
      const match = line.match(ready)
      if (!match || child.pid === undefined) return
      settle()
      resolve({
        pid: child.pid,
        ready: match,
        exited,
        kill,
        hold: (alive) => hold(child, alive),
        stop: (signalName, grace) => stop(child, exited, signalName, grace)
      })
    })
  })
}

/** Waits for a child's end; a child that could not be started has ended too. */
export function waitForExit(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: 127, signal: null }))
  })
}

/** Makes a child keep our process alive, or not. */
export function hold(child: ChildProcess, alive: boolean): void {
  const change = alive ? 'ref' : 'unref'
  child[change]()
  for (const pipe of [child.stdout, child.stderr]) if (pipe instanceof Socket) pipe[change]()
}

async function stop(
  child: ChildProcess,
  exited: Promise<Exit>,
  signal: NodeJS.Signals,
  grace = STOP_MS
): Promise<Exit> {
  hold(child, true)
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), grace)
  const exit = await exited
  clearTimeout(timer)
  return exit
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const input of [child.stdout, child.stderr]) if (input) createInterface({ input }).on('line', onLine)
}

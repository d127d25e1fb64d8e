import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Tells whether a process runs under this id and its command line matches: ids are used again. */
export async function isProcess(pid: number, command: RegExp): Promise<boolean> {
  const line =
    process.platform === 'linux'
      ? readFile(`/proc/${pid}/cmdline`, 'utf8').then((text) => text.replaceAll('\0', ' ')) // `ps` is not everywhere
      : run('ps', ['-o', 'command=', '-p', String(pid)]).then(({ stdout }) => stdout)
  return command.test(await line.catch(() => ''))
}

export interface EndOptions {
  pids: number[]
  /** Only processes whose command line matches. */
  command: RegExp
  /** Signals in turn, each with so much time (ms) until the next. */
  signals: NodeJS.Signals[]
  grace: number
}

/** Ends processes and waits until they are gone. */
export async function endProcesses({ pids, command, signals, grace }: EndOptions): Promise<void> {
  for (const signal of signals) {
    const until = Date.now() + grace
    for (const pid of await those(pids, command)) sendTo(pid, signal)
    while (Date.now() < until) {
      if ((await those(pids, command)).length === 0) return
      await sleep(20)
    }
  }
}

/** Sends a signal to a process that may have ended. */
export function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

async function those(pids: number[], command: RegExp): Promise<number[]> {
  const found = await Promise.all(pids.map(async (pid) => ((await isProcess(pid, command)) ? [pid] : [])))
  return found.flat()
}

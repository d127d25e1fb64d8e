import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { endProcesses } from './process-list.js'
import type { Exit } from './server-process.js'

export interface Lifeline {
  /** Writes down a child until it ends; a negative id stands for its whole group. */
  add(pid: number, exited: Promise<Exit>): void
  /** The children have been stopped in order: nothing is left to do. */
  close(): void
}

// Its input ends with the supervisor, however that dies (kill -9 too). SIGTERM asks the services to finish, SIGINT asks
// Postgres not to wait for its clients.
const SCRIPT = `
trap '' INT TERM HUP
cat > /dev/null
pids=$(cat "$1")
for signal in TERM INT KILL; do
  [ -n "$pids" ] || exit 0
  kill -$signal $pids 2> /dev/null
  for pause in 1 2 3 4 5 6 7 8 9 10 11 12; do
    left=
    for pid in $pids; do kill -0 $pid 2> /dev/null && left="$left $pid"; done
    pids=$left
    [ -n "$pids" ] || exit 0
    sleep 1
  done
done
`

const CHILDREN = /postgres|redis|valkey|nginx|services\/(gateway|consumer)\/server/

const PIDS = 'pids'

/**
 * A small shell that ends the children when their parent is killed, so that none of them outlives it.
 * @param name of the file in DATA_DIR that lists them
 */
export function openLifeline(dataDir: string, name = PIDS): Lifeline {
  const file = join(dataDir, name)
  const pids = new Set<number>()
  const write = () => writeFileSync(file, [...pids].join(' '))
  write()
  const shell = spawn('sh', ['-c', SCRIPT, 'beeline-lifeline', file], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true // out of reach of a Ctrl-C in the terminal
  })
  shell.on('error', () => {}) // without a shell the children are on their own
  shell.unref()
  if (shell.stdin instanceof Socket) shell.stdin.unref()
  return {
    add(pid, exited) {
      pids.add(pid)
      write()
      exited.then(() => {
        pids.delete(pid)
        write()
      })
    },
    close() {
      pids.clear()
      write()
      shell.stdin.end()
    }
  }
}

/** Ends children whose supervisor and lifeline are both gone, and waits for those that a lifeline is ending. */
export async function endOrphans(dataDir: string): Promise<void> {
  const file = join(dataDir, PIDS)
  const text = await readFile(file, 'utf8').catch(() => '')
  const pids = text.split(' ').filter(Boolean).map(Number)
  if (pids.length === 0) return
  await endProcesses({ pids, command: CHILDREN, signals: ['SIGTERM', 'SIGINT', 'SIGKILL'], grace: 12_000 })
  await rm(file, { force: true })
}

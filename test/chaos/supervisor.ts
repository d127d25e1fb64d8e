/** Starts again what has ended, as whoever runs the services does. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Process } from '../helpers/processes.js'

const PAUSE_MS = 200

export interface Supervisor {
  readonly restarts: number
  stop(): Promise<void>
}

export function supervise(processes: Process[]): Supervisor {
  let restarts = 0
  let stopping = false

  async function watch(process: Process) {
    for (;;) {
      await process.exited
      if (stopping) return
      await sleep(PAUSE_MS)
      if (stopping) return
      restarts += 1
      // a start that fails is tried again: its server may be away or the port still taken
      await process.restart().catch(() => undefined)
      if (stopping) return process.kill() // it was starting when the others were ended
    }
  }

  const watching = processes.map(watch)
  return {
    get restarts() {
      return restarts
    },
    async stop() {
      stopping = true
      await Promise.all(processes.map((process) => process.kill()))
      await Promise.all(watching)
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Exit } from './server-process.js'

export interface Running {
  pid: number
  exited: Promise<Exit>
  stop(): Promise<unknown>
}

export interface KeptService {
  name: string
  readonly pid: number
  stop(): Promise<void>
}

export interface KeepAliveOptions<Server extends Running> {
  name: string
  launch: (signal: AbortSignal) => Promise<Server>
  say: (line: string) => void
  /** Gives up the first start. */
  signal: AbortSignal
  /** It was started again. */
  onRestart?: () => void
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
// A service that ran this long was well: the pauses begin anew.
const WELL_MS = 10_000

/** Starts a service and starts it again whenever it ends. Only the first start may fail: the promise is rejected then. */
export async function keepAlive<Server extends Running>(options: KeepAliveOptions<Server>): Promise<KeptService> {
  const { name, launch, say, signal: abandon, onRestart } = options
  const stopping = new AbortController()
  let server = await launch(abandon)
  const done = (async () => {
    let pause = FIRST_PAUSE_MS
    while (!stopping.signal.aborted) {
      const since = Date.now()
      const { code, signal } = await server.exited
      if (stopping.signal.aborted) return
      if (Date.now() - since > WELL_MS) pause = FIRST_PAUSE_MS
      say(`${name} ended ${signal ? `by ${signal}` : `with code ${code}`}; it starts again`)
      const restarted = await restart(pause)
      if (!restarted) return
      server = restarted.server
      pause = restarted.pause
      onRestart?.()
    }
  })()

  async function restart(first: number): Promise<{ server: Server; pause: number } | undefined> {
    for (let pause = first; ; pause = longer(pause)) {
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => {})
      if (stopping.signal.aborted) return undefined
      try {
        return { server: await launch(stopping.signal), pause: longer(pause) }
      } catch (error) {
        if (!stopping.signal.aborted) say(error instanceof Error ? error.message : String(error))
      }
    }
  }

  return {
    name,
    get pid() {
      return server.pid
    },
    async stop() {
      stopping.abort()
      await server.stop()
      await done
    }
  }
}

function longer(pause: number): number {
  return Math.min(pause * 2, LONGEST_PAUSE_MS)
}

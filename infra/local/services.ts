/** Gateway and consumer of a local run, and what stands in front of them. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stopTimes } from '../../services/stop-times.js'
import { allSettled } from './all-settled.js'
import type { Environment } from './env-file.js'
import { proxyOf, startFront } from './front.js'
import { type KeptService, keepAlive } from './keep-alive.js'
import { openLogFile } from './log-files.js'
import { findNginx } from './nginx.js'
import { choosePort } from './ports.js'
import { spawnServer } from './server-process.js'
import type { ServersOptions } from './servers.js'

export interface ServicesOptions extends ServersOptions {
  environment: Environment
  /** Each line of their logs. */
  onLine: (line: string) => void
}

interface Service {
  name: string
  script: string
  port: Environment
}

const READY_MS = 30_000
const BUILD = join(import.meta.dirname, '../..')

/** Starts all and waits until they are ready; answers where they listen. */
export async function startServices(
  given: ServicesOptions
): Promise<{ gateway: string; consumer: string; nginx?: string }> {
  const { settings } = given
  const { dataDir, port, host } = settings
  const proxy = (await findNginx()) && proxyOf(host)
  const options = { ...given, environment: { ...(proxy && { TRUST_PROXY: proxy }), ...given.environment } }
  const consumerPort = settings.consumerPort ?? (await choosePort(dataDir, 'consumer', 3001, host))
  const [gateway, consumer] = await allSettled(
    startService(options, { name: 'gateway', script: 'services/gateway/server.js', port: { PORT: String(port) } }),
    startService(options, {
      name: 'consumer',
      script: 'services/consumer/server.js',
      port: { CONSUMER_PORT: String(consumerPort) }
    })
  )
  const { signal } = options
  await Promise.all([waitUntilReady('gateway', gateway, signal), waitUntilReady('consumer', consumer, signal)])
  const nginx = await startFront(options, gateway)
  return { gateway, consumer, ...(nginx && { nginx }) }
}

async function startService(options: ServicesOptions, { name, script, port }: Service): Promise<string> {
  const { settings, lifeline, environment, say, signal, onLine, onService, onRestart } = options
  const write = await openLogFile(settings.dataDir, name)
  let url = ''
  const service: KeptService = await keepAlive({
    name,
    launch: async (abort) => {
      const server = await spawnServer({
        name,
        command: process.execPath,
        args: [join(BUILD, script)],
        env: { ...process.env, ...environment, ...port },
        ready: /Server listening at (https?:\/\/[^\s"]+)/,
        onLine: (line) => {
          write(line)
          onLine(line)
        },
        onStart: lifeline.add,
        signal: abort,
        detached: true // a Ctrl-C in the terminal reaches the supervisor alone, which stops in order
      })
      url = server.ready[1] ?? ''
      return { ...server, stop: () => server.stop('SIGTERM', serviceStopMs(settings.graceMs)) }
    },
    say,
    signal,
    onRestart
  })
  onService(service, url)
  return url
}

/** Time that a service gets to stop before it is killed, in ms: more than it takes by itself, also as several processes. */
export const serviceStopMs = (graceMs: number) => stopTimes(graceMs).service + 3_000

async function waitUntilReady(name: string, url: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + READY_MS
  for (let last = ''; ; ) {
    try {
      const response = await fetch(`${url}/readyz`)
      if (response.ok) return
      last = `${response.status} ${await response.text()}`
    } catch (error) {
      last = String(error)
    }
    signal.throwIfAborted()
    if (Date.now() > until) throw new Error(`${name} at ${url} is not ready after ${READY_MS / 1000} s: ${last}`)
    await sleep(50)
  }
}

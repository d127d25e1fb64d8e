/** What both services do when they start and stop: read the environment, listen, drain on a signal, say in one line what is wrong. */
import cluster from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import { type Config, readConfig } from '#schema/config'
import { buildRegistry, loadDefinitions, type Registry } from '#schema/registry'
import { loggerOf } from './logger.js'
import { stopTimes } from './stop-times.js'
import { GROUP_SIGNALS, stopWhenTold } from './stop-together.js'
import { runWorkers } from './workers.js'

/** The setting that holds a service's port. */
type PortSetting = 'PORT' | 'CONSUMER_PORT'

export interface Start {
  config: Config
  registry: Registry
  /** Ends the process, non-zero, after what runs was drained. */
  die: (error: Error) => void
}

export interface Service {
  name: string
  portSetting: PortSetting
  /** In how many processes; one when absent. */
  countProcesses?: (config: Config) => number
  build: (start: Start) => FastifyInstance | Promise<FastifyInstance>
}

const SEVERAL = 'WEB_CONCURRENCY=2 or a profile of several does'
const RESTART = 'a restart does'

/** Builds a service and listens. A fault in settings or definitions stops it with one line each on stderr. */
export async function serve({ name, portSetting, countProcesses, build }: Service): Promise<void> {
  try {
    const config = readConfig(process.env)
    const times = stopTimes(config.SHUTDOWN_GRACE_MS)
    const count = countProcesses?.(config) ?? 1
    if (count > 1 && cluster.isPrimary) {
      const { stream, ...options } = loggerOf(name, config)
      return await runWorkers({ count, times, log: pino(options, stream) })
    }
    // an end would break what it does: nobody takes the place of one alone, and a worker is told by the one above
    let warn = () => {}
    process.on('SIGHUP', () => warn())
    const registry = buildRegistry(await loadDefinitions())
    const app = await build({ config, registry, die: (error) => void end(app, error, config) })
    if (!cluster.isWorker) {
      warn = () =>
        app.log.warn(`SIGHUP: one process cannot be replaced, it goes on; ${countProcesses ? SEVERAL : RESTART}`)
    }
    await app.listen({ host: config.HOST, port: config[portSetting] })
    const skip: (typeof GROUP_SIGNALS)[number][] = cluster.isWorker ? [...GROUP_SIGNALS] : ['SIGHUP']
    const { close } = closeWithGrace({ delay: times.process, logger: app.log, skip }, async ({ err, signal }) => {
      app.log.info({ signal, err }, 'stopping')
      await app.stopListening?.() // the consumer has none
      await app.close()
    })
    if (cluster.isWorker) stopWhenTold({ hush: async () => app.stopListening?.(), stop: close })
  } catch (error) {
    process.stderr.write(`${explain(error, portSetting)}\n`)
    process.exit(1)
  }
}

let ending = false

async function end(app: FastifyInstance, error: Error, { SHUTDOWN_GRACE_MS }: Config) {
  if (ending) return
  ending = true
  app.log.fatal({ err: error }, 'this process ends')
  const timer = setTimeout(() => process.exit(1), stopTimes(SHUTDOWN_GRACE_MS).process)
  await app.close().catch(() => undefined)
  clearTimeout(timer)
  process.exit(1)
}

function explain(error: unknown, portSetting: PortSetting): string {
  if (!(error instanceof Error)) return String(error)
  const { code, port, address, hostname = address } = error as NodeJS.ErrnoException & ListenFault
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${address} is taken: stop what listens there, or set another ${portSetting}`
    case 'EACCES':
      return `port ${port} needs rights that this user lacks: set another ${portSetting}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `HOST: ${hostname} is no address of this machine: set another, such as 127.0.0.1 or 0.0.0.0`
    default:
      return error.message
  }
}

interface ListenFault {
  port?: number
  address?: string
  hostname?: string
}

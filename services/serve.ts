/** What both services do when they start and stop: read the environment, listen, drain on a signal, say in one line what is wrong. */
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { type Config, readConfig } from '#schema/config'
import { buildRegistry, loadDefinitions, type Registry } from '#schema/registry'

/** The setting that holds a service's port. */
type PortSetting = 'PORT' | 'CONSUMER_PORT'

export interface Start {
  config: Config
  registry: Registry
  /** Ends the process, non-zero, after what runs was drained. */
  die: (error: Error) => void
}

/** Builds a service and listens. A fault in settings or definitions stops it with one line each on stderr. */
export async function serve(
  build: (start: Start) => FastifyInstance | Promise<FastifyInstance>,
  portSetting: PortSetting
): Promise<void> {
  try {
    const config = readConfig(process.env)
    const registry = buildRegistry(await loadDefinitions())
    const app = await build({ config, registry, die: (error) => void end(app, error, config) })
    await app.listen({ host: config.HOST, port: config[portSetting] })
    // the time for requests and jobs, and a little for what follows them
    closeWithGrace({ delay: config.SHUTDOWN_GRACE_MS + 5_000, logger: app.log }, async ({ err, signal }) => {
      app.log.info({ signal, err }, 'stopping')
      await app.close()
    })
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
  const timer = setTimeout(() => process.exit(1), SHUTDOWN_GRACE_MS + 5_000)
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

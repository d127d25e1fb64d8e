/** What both services do when they start and stop: read the environment, listen, drain on a signal, say in one line what is wrong. */
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { type Config, readConfig } from '#schema/config'
import { buildRegistry, loadDefinitions, type Registry } from '#schema/registry'

export interface Start {
  config: Config
  registry: Registry
  /** Ends the process, non-zero, after what runs was drained. */
  die: (error: Error) => void
}

/** Builds a service and listens. A fault in settings or definitions stops it with one line each on stderr. */
export async function serve(
  build: (start: Start) => FastifyInstance | Promise<FastifyInstance>,
  address: (config: Config) => { host: string; port: number }
): Promise<void> {
  try {
    const config = readConfig(process.env)
    const registry = buildRegistry(await loadDefinitions())
    const app = await build({ config, registry, die: (error) => void end(app, error, config) })
    await app.listen(address(config))
    // the time for requests and jobs, and a little for what follows them
    closeWithGrace({ delay: config.SHUTDOWN_GRACE_MS + 5_000, logger: app.log }, async ({ err, signal }) => {
      app.log.info({ signal, err }, 'stopping')
      await app.close()
    })
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
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

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, port, address } = error as { code?: string; port?: number; address?: string }
  if (code === 'EADDRINUSE') return `port ${port} on ${address} is taken: stop what listens there, or set another PORT`
  if (code === 'EACCES') return `port ${port} needs rights that this user lacks: set another PORT`
  return error.message
}

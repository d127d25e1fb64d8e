/** Apps inside the test's process: for a plugin alone, with stand-ins for what it meets. */
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { type Config, readConfig } from '#schema/config'
import type { Environment } from './processes.js'
import type { Scope } from './services.js'

/** An app without any plugin; it closes itself with the test. */
export function createApp(t: Scope, options: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(options)
  t.teardown(() => app.close())
  return app
}

/** A log to look into: every line as the value that was logged. */
export function createLog(): { lines: Record<string, unknown>[]; logger: FastifyServerOptions['logger'] } {
  const lines: Record<string, unknown>[] = []
  return { lines, logger: { level: 'trace', stream: { write: (line: string) => void lines.push(JSON.parse(line)) } } }
}

/** Settings of a service whose servers are nowhere, unless `env` says where. */
export function testConfig(env: Environment = {}): Config {
  return readConfig({
    NODE_ENV: 'test',
    SECRET_KEY: 'a-secret-for-tests-of-at-least-32-characters',
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere',
    REDIS_URL: 'redis://127.0.0.1:1',
    LOG_LEVEL: 'silent',
    PORT: '0',
    CONSUMER_PORT: '0',
    ...env
  })
}

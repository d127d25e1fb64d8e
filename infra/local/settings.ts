/** The settings of a local run: the environment, then `.env`, checked before anything starts. */
import { join, resolve } from 'node:path'
import { ALIASES } from '#schema/aliases'
import { Config, readConfig } from '#schema/config'
import { type Environment, readEnvFile } from './env-file.js'

/** The project's folder: this file runs from build/infra/local. */
export const ROOT = join(import.meta.dirname, '../../..')
/** Makes what is missing in `.env`; the same script serves the containers. */
export const SECRETS = join(ROOT, 'infra/secrets.sh')
/** Port of the gateway in `npm run dev`, unless PORT is in the environment. */
export const DEV_PORT = '5000'
const ENV_FILE = join(ROOT, '.env')

export interface LocalSettings {
  /** Folder of data, logs and notes about what runs. */
  dataDir: string
  host: string
  port: number
  /** Set by hand: else `make up` looks for a free one. */
  consumerPort: number | undefined
  /** Ports of nginx, likewise. */
  httpPort: number | undefined
  httpsPort: number | undefined
  /** Time that running jobs and requests get when a service stops, in ms. */
  graceMs: number
  /** Servers of the user's own: we start none. */
  given: { postgres: boolean; redis: boolean }
  /** All variables for the services, without the addresses of servers that we start. */
  environment: Environment
}

/** @throws Error with one line for each wrong setting. */
export async function readSettings(given: Environment = process.env): Promise<LocalSettings> {
  const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
  const environment: Environment = { ...(await readEnvFile(ENV_FILE)), ...named }
  const postgres = Boolean(environment.DATABASE_URL || environment.POSTGRESQL_HOST)
  const redis = Boolean(environment.REDIS_URL || environment.REDIS_HOST)
  // checked here, where one line can still stop everything; what we are going to make ourselves counts as given
  const config = readConfig({
    ...environment,
    SECRET_KEY: environment.SECRET_KEY ?? 'made-before-the-services-start-by-secrets.sh',
    ...(!postgres && { DATABASE_URL: 'postgres://127.0.0.1/beeline' }),
    ...(!redis && { REDIS_URL: 'redis://127.0.0.1' })
  })
  return {
    dataDir: resolve(ROOT, environment.DATA_DIR ?? '.data'),
    host: config.HOST,
    port: config.PORT,
    consumerPort: environment.CONSUMER_PORT ? config.CONSUMER_PORT : undefined,
    httpPort: readPort(environment, 'HTTP_PORT'),
    httpsPort: readPort(environment, 'HTTPS_PORT'),
    graceMs: config.SHUTDOWN_GRACE_MS,
    given: { postgres, redis },
    environment
  }
}

function readPort(environment: Environment, name: 'HTTP_PORT' | 'HTTPS_PORT'): number | undefined {
  const text = environment[name]
  if (text === undefined) return undefined
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65535) throw new Error(`${name} must be a port`)
  return Number(text)
}

/** Settings of nginx, which starts anew when they change. */
const NGINX_SETTINGS = [
  'HTTP_PORT',
  'HTTPS_PORT',
  'DOMAIN',
  'ACME_EMAIL',
  'REQUESTS_PER_SECOND',
  'CONNECTIONS_PER_ADDRESS',
  'TASKS_SOURCE',
  'PUBLIC_TASKS',
  'REDIS_PREFIX'
]
const NAMES = new Set([
  ...NGINX_SETTINGS,
  ...Object.keys(Config.properties),
  ...Object.keys(ALIASES).flatMap((names) => names.split(', '))
])

/** What nginx may know: no secrets. */
export function onlyNginxSettings(environment: Environment): Environment {
  return Object.fromEntries(['PROFILE', ...NGINX_SETTINGS].map((name) => [name, environment[name]]))
}

/** Leaves out what is not Beeline's. */
export function onlySettings(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => NAMES.has(name)))
}

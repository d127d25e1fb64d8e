/** Every setting of both services, once: name, unit, default. README and `.env.example` are tested against this file. */
import Type, { type Static } from 'typebox'
import { findPostgresFault, origins, postgresAddress, proxies, publicAddress, redisAddress } from './addresses.js'
import { type Environment, resolveAliases } from './aliases.js'
import { targets } from './allowed-targets.js'
import { compile } from './compile.js'
import type { Fault } from './problem.js'
import { Profile, readProfile } from './profile.js'

const flag = (value: boolean, description: string) => Type.Boolean({ default: value, description })
const count = (value: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: value, minimum, maximum, description })
const text = (value: string, description: string) => Type.String({ default: value, maxLength: 500, description })

export const Config = Type.Object(
  {
    NODE_ENV: Type.Union([Type.Literal('production'), Type.Literal('development'), Type.Literal('test')], {
      default: 'production',
      description: 'production, development or test'
    }),
    PROFILE: Profile,
    HOST: text('127.0.0.1', 'address on which the gateway and the consumer listen'),
    PORT: count(3000, 0, 65535, 'port of the gateway; 0 takes a free one'),
    WEB_CONCURRENCY: count(1, 1, 64, 'processes of the gateway, which share its port'),
    CONSUMER_PORT: count(3001, 0, 65535, "port of the consumer's health page; 0 takes a free one"),
    LOG_LEVEL: Type.Union(
      (['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const).map((level) => Type.Literal(level)),
      { default: 'info', description: 'least level that both services log' }
    ),
    SECRET_KEY: Type.String({
      minLength: 32,
      maxLength: 500,
      description: 'secret of this installation, at least 32 characters; no default'
    }),
    API_KEY: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 500,
        pattern: '^[\\x21-\\x7e]+$',
        form: 'letters, digits and signs of ASCII without a space',
        description: 'a key that is an operator, at least 16 characters; nobody has it when absent'
      })
    ),
    PUBLIC_URL: Type.Optional(
      publicAddress(
        'address at which people reach the gateway, such as https://beeline.example; the one they asked when absent'
      )
    ),
    CORS_ORIGINS: Type.Optional(
      origins('other sites whose pages may call from a browser, separated by commas; none when absent')
    ),
    OPEN_REGISTRATION: flag(false, 'let anyone make an account'),
    PROGRAM_LOGIN: flag(true, 'let programs log in with name and password (the OAuth password grant)'),
    SESSION_DAYS: count(
      30,
      1,
      3_650,
      'days after which a log-in ends, however often it is used; unused it ends after 7'
    ),
    DATABASE_URL: postgresAddress('Postgres, in the role that serves (no DELETE, no DDL); no default'),
    DATABASE_OWNER_URL: Type.Optional(postgresAddress('Postgres, in the role that migrates; DATABASE_URL when absent')),
    DATABASE_CONNECTIONS: count(10, 5, 500, 'connections that one process may hold open'),
    REDIS_URL: redisAddress('Redis; no default'),
    REDIS_PREFIX: text('bq', "prefix of Bee-Queue's keys; another one than bq goes before the cache's keys too"),
    STRICT_START: flag(false, 'exit when Postgres or Redis is away at the start, instead of waiting for it'),
    SHUTDOWN_GRACE_MS: count(10_000, 0, 600_000, 'time that running jobs and requests get after SIGTERM, in ms'),
    REQUEST_TIMEOUT_MS: count(30_000, 100, 600_000, 'time to receive a whole request, in ms'),
    KEEP_ALIVE_MS: count(5_000, 0, 600_000, 'time that an idle connection stays open, in ms'),
    COMMIT_DEADLINE_MS: count(
      10_000,
      100,
      60_000,
      'time to get a commit through before a request is answered 503, in ms'
    ),
    BODY_LIMIT: count(
      65_536,
      1_024,
      16_777_216,
      'largest request body, in bytes; a form or job whose fields may hold more takes more, a batch 8 MiB'
    ),
    TRUST_PROXY: Type.Optional(
      proxies('trusted proxies, by address, network or name, separated by commas; none when absent')
    ),
    SUBMISSIONS_PER_MINUTE: count(
      120,
      1,
      100_000_000,
      'submissions that one user, or one anonymous address, may send in a minute, and log-ins'
    ),
    REQUESTS_PER_MINUTE: count(6_000, 1, 100_000_000, 'requests that one user or key may send in a minute'),
    OPEN_JOBS_PER_OWNER: count(
      1_000,
      1,
      100_000_000,
      'unfinished jobs that one owner, or one anonymous address, may have'
    ),
    OPEN_JOBS: count(100_000, 1, 1_000_000_000, 'unfinished jobs in all, beyond which new ones are refused'),
    IDEMPOTENCY_KEEP_HOURS: count(48, 24, 8_760, 'time that an idempotency key is remembered, in hours'),
    PUBLIC_TASKS: flag(false, 'let everyone use tasks, without a key; a sample set-up says true'),
    CACHE_TTL_MS: count(60_000, 1_000, 86_400_000, 'time that a list of tasks is kept in Redis at the most, in ms'),
    OUTSIDE_ALLOW: Type.Optional(
      targets(
        'hosts and networks that jobs may call though they are private, each with an optional port; none when absent'
      )
    ),
    DEFAULT_FORM: text('contact', 'form shown at /sync/ and /async/'),
    APP_NAME: text('Beeline', 'name in the pages and the API description'),
    APP_VERSION: text('0.1.0', 'version in the API description'),
    APP_DESCRIPTION: text('Takes forms and jobs over HTTP and never loses one.', 'sentence in the API description'),
    LOADERIO_TOKEN: Type.Optional(
      Type.String({
        pattern: '^loaderio-[0-9a-f]{1,64}$',
        form: 'a token such as loaderio-0123456789abcdef, in lower case',
        maxLength: 80,
        description: 'token file served for loader.io'
      })
    )
  },
  { additionalProperties: false }
)
export type Config = Static<typeof Config>

const decodeConfig = compile(Config, { from: 'text' })

/**
 * Reads the settings from an environment. Empty values count as absent.
 * @throws Error with one line per wrong setting: its name, what is wrong and what it is for. Values are never repeated.
 */
export function readConfig(environment: Environment): Config {
  const named = resolveAliases(environment)
  const set = { ...readProfile(named.PROFILE), ...named }
  const given = Object.fromEntries(
    Object.keys(Config.properties).flatMap((name) => (set[name] ? [[name, set[name]]] : []))
  )
  const { value, errors } = decodeConfig(given)
  const faults = errors ?? findAddressFaults(value)
  if (errors || faults.length) throw new Error(faults.map(explain).join('\n'))
  return value
}

function explain({ pointer, detail }: Fault): string {
  const name = pointer.slice(1)
  return `${name} ${detail} (${describeSetting(name)}); set it in the environment or in .env`
}

const findAddressFaults = (config: Config) =>
  (['DATABASE_URL', 'DATABASE_OWNER_URL'] as const).flatMap((name) => {
    const detail = config[name] && findPostgresFault(config[name])
    return detail ? [{ pointer: `/${name}`, detail }] : []
  })

/** What a setting is for. */
export function describeSetting(name: string): string {
  const settings = Config.properties as Record<string, { description?: string } | object>
  const setting = settings[name] ?? {}
  return 'description' in setting ? String(setting.description) : ''
}

/** The gateway: takes forms and jobs over HTTP. The list of its plugins is what it is made of. */
import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import accessLog from '#plugins/access-log'
import account from '#plugins/account'
import auth, { guard } from '#plugins/auth'
import bodies from '#plugins/bodies'
import cache, { prefixBeside } from '#plugins/cache'
import database from '#plugins/database'
import docs from '#plugins/docs'
import drain from '#plugins/drain'
import forms from '#plugins/forms'
import health from '#plugins/health'
import home from '#plugins/home'
import idempotency from '#plugins/idempotency'
import jobEvents from '#plugins/job-events'
import jobs from '#plugins/jobs'
import ledger from '#plugins/ledger'
import limits from '#plugins/limits'
import logInPages from '#plugins/log-in'
import oauth from '#plugins/oauth'
import pages from '#plugins/pages'
import problems, { answerClientError, answerFrameworkError } from '#plugins/problems'
import queue from '#plugins/queue'
import redis from '#plugins/redis'
import security from '#plugins/security'
import storedPages from '#plugins/stored-pages'
import submissionList from '#plugins/submission-list'
import submissions from '#plugins/submissions'
import tasks from '#plugins/tasks'
import users from '#plugins/users'
import type { Config } from '#schema/config'
import type { Registry } from '#schema/registry'
import { loggerOf } from '../logger.js'
import { trustProxies } from './trusted-proxies.js'

export interface GatewayOptions {
  config: Config
  registry: Registry
  /** Called once when the process cannot keep its promise; it must end. */
  die: (error: Error) => void
}

/** A setting of several values, separated by commas. */
const readList = (text = '') =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)

const REQUEST_ID = /^[\w.:/+=-]{1,100}$/

export function buildGateway({ config, registry, die }: GatewayOptions): FastifyInstance {
  const proxies = config.TRUST_PROXY ? trustProxies(config.TRUST_PROXY) : undefined
  const app = Fastify({
    logger: loggerOf('gateway', config),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    trustProxy: proxies?.trusts ?? false,
    bodyLimit: config.BODY_LIMIT,
    requestTimeout: config.REQUEST_TIMEOUT_MS,
    keepAliveTimeout: config.KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what still comes is answered, and told to close its connection
    routerOptions: { ignoreTrailingSlash: true },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
    http: {
      // given at the server's creation, it bounds the headers' time as well: else Node takes one for the other
      requestTimeout: config.REQUEST_TIMEOUT_MS,
      requireHostHeader: false, // Node would refuse it without a word
      // how often Node looks; 30 s by default
      connectionsCheckingInterval: Math.min(config.REQUEST_TIMEOUT_MS, 5_000)
    }
  })

  app.addHook('onReady', async () => proxies?.known)
  app.addHook('onClose', async () => proxies?.stop())

  app.register(drain)
  app.register(accessLog)
  app.register(problems)
  app.register(security, { secret: config.SECRET_KEY, corsOrigins: readList(config.CORS_ORIGINS) })
  app.register(bodies)
  app.register(database, {
    url: config.DATABASE_URL,
    connections: config.DATABASE_CONNECTIONS,
    commitDeadlineMs: config.COMMIT_DEADLINE_MS,
    strict: config.STRICT_START,
    onUnfit: die
  })
  app.register(redis, { url: config.REDIS_URL })
  const issuer = config.PUBLIC_URL && { issuer: config.PUBLIC_URL }
  app.register(auth, {
    secret: config.SECRET_KEY,
    ...issuer,
    sessionHours: config.SESSION_DAYS * 24,
    prefix: config.REDIS_PREFIX,
    ...(config.API_KEY && { apiKey: config.API_KEY })
  })
  app.register(queue, { url: config.REDIS_URL, prefix: config.REDIS_PREFIX, strict: config.STRICT_START })
  app.register(limits, {
    submissionsPerMinute: config.SUBMISSIONS_PER_MINUTE,
    callsPerMinute: config.REQUESTS_PER_MINUTE,
    prefix: config.REDIS_PREFIX
  })
  app.register(cache, { prefix: prefixBeside(config.REDIS_PREFIX) })
  app.register(idempotency, { keepHours: config.IDEMPOTENCY_KEEP_HOURS })
  app.register(ledger, {
    registry,
    openPerOwner: config.OPEN_JOBS_PER_OWNER,
    openInAll: config.OPEN_JOBS,
    watchLoad: true
  })
  app.register(jobEvents, { prefix: config.REDIS_PREFIX, listen: true })
  app.register(submissions)
  app.register(storedPages)
  app.register(docs, { title: config.APP_NAME, version: config.APP_VERSION, description: config.APP_DESCRIPTION })
  app.register(pages, { name: config.APP_NAME, loaderioToken: config.LOADERIO_TOKEN })

  app.register(health)
  // open to all, and it knows who shows who they are
  app.register(async (part) => {
    guard(part, { optional: true })
    part.register(home, { name: config.APP_NAME, description: config.APP_DESCRIPTION, registry })
    part.register(logInPages)
    part.register(forms, { registry, defaultForm: config.DEFAULT_FORM })
    if (config.PUBLIC_TASKS) part.register(tasks, { cacheMs: config.CACHE_TTL_MS })
  })
  app.register(oauth, { ...issuer, passwordGrant: config.PROGRAM_LOGIN })
  app.register(users, { registration: config.OPEN_REGISTRATION })

  // the private part: whoever comes in here has shown who they are
  app.register(async (part) => {
    guard(part)
    part.register(account)
    part.register(jobs, { registry })
    part.register(submissionList)
    if (!config.PUBLIC_TASKS) part.register(tasks, { cacheMs: config.CACHE_TTL_MS })
  })
  return app
}

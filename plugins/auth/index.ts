/** Who may do what: accounts, log-ins, tokens and keys, and the hooks that let their holders in. */
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { problem, problems } from '#schema/problem'
import type { Principal, Scope } from '#schema/user'
import { createAccessTokens } from './access-tokens.js'
import { type Accounts, createAccounts } from './accounts.js'
import { type Browsers, CSRF_FIELD, createBrowsers } from './browsers.js'
import { createIdentify, type Identity } from './identify.js'
import { createKeys, type Keys } from './keys.js'
import { createPasswords } from './passwords.js'
import { pruneKeys, prunePasswordLinks, pruneRefreshTokens, pruneSessions } from './queries/prune.js'
import { createSessions, type Sessions } from './sessions.js'
import { createThrottle } from './throttle.js'

export interface AuthOptions {
  /** The key of the environment, which is an operator's. */
  apiKey?: string
  /** Secret of the installation: what is signed is signed with keys made of it. */
  secret: string
  /** Address of this installation: who issues its tokens. Default the same for all gateways, whatever their ports. */
  issuer?: string
  /** How long a log-in lasts at the most, in hours. Default 720. */
  sessionHours?: number
  /** Prefix of the keys in Redis. Default 'bq'. */
  prefix?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook of a private part: lets in who shows good credentials with the route's scope. 401, or 403. */
    requireLogin: onRequestHookHandler
    /** Hook of a part that is open: knows who shows good credentials; 401 only for bad ones. */
    identify: onRequestHookHandler
    accounts: Accounts & { sessions: Sessions; keys: Keys; browsers: Browsers }
  }
  interface FastifyRequest {
    /** Who sends it; null when nobody said. */
    principal: Principal | null
    /** Whether what let it in is good still, at most a second ago: for answers that go on. */
    stillHolds: () => Promise<boolean>
    /** What a page's forms must carry back when a browser is logged in; else ''. */
    csrfToken: () => string
  }
  interface FastifyContextConfig {
    /** What a token or key must be good for here. Default: `read` to read, `write` for all else. */
    scope?: Scope
    /** Who may come in here. Default: any user. */
    role?: 'operator'
  }
}

/** Look-ups of credentials are remembered so long: what is revoked opens nothing after a second. */
export const RECENT = { ttlMs: 900, most: 10_000 }

async function auth(app: FastifyInstance, options: AuthOptions) {
  const { apiKey, secret, issuer = 'http://localhost', sessionHours = 720, prefix = 'bq' } = options
  const accessTokens = createAccessTokens({ secret, issuer })
  const sessions = createSessions({ app, accessTokens, secret, hours: sessionHours, recent: RECENT })
  const keys = createKeys({ app, recent: RECENT })
  const browsers = await createBrowsers({ app, secret, hours: sessionHours })
  const identify = createIdentify({ apiKey, accessTokens, sessions, keys, browsers, most: RECENT.most })

  const throttle = createThrottle({ redis: app.redis, prefix: `${prefix}:guess:`, secret })
  const accounts = createAccounts({ app, passwords: createPasswords(), sessions, throttle })

  app.decorate('accounts', { ...accounts, sessions, keys, browsers })
  app.decorateRequest('principal', null)
  app.decorateRequest('stillHolds', async function (this: FastifyRequest) {
    // while it cannot be looked up it holds: the database is away then, and there is nothing to tell
    return Boolean(await Promise.resolve(identify(this)).catch(() => true))
  })
  app.decorateRequest('csrfToken', function (this: FastifyRequest) {
    const { browser, sessionId } = this.principal ?? {}
    return browser && sessionId ? browsers.tokenOf(sessionId) : ''
  })
  // after the body was read, and before any route looks at it
  app.addHook('preValidation', (request, _reply, done) => {
    const { principal, method, mediaType, body } = request
    const { browser, sessionId } = principal ?? {}
    if (browser && sessionId && !READING.has(method) && !browsers.isOurs(request, sessionId)) {
      return done(problem(403, 'CSRF_TOKEN_INVALID', 'this form is from an earlier log-in; send it once more'))
    }
    if (mediaType === 'application/x-www-form-urlencoded') {
      const { [CSRF_FIELD]: _, ...fields } = Object(body)
      request.body = fields
    }
    done()
  })
  // without a promise where the answer is known: the way of nearly all requests
  const hook =
    (required: boolean): onRequestHookHandler =>
    (request, reply, done) => {
      const settle = (identity: Identity) => done(letIn(identity, required, request, reply))
      const identity = identify(request)
      if (identity instanceof Promise) identity.then(settle, done)
      else settle(identity)
    }
  app.decorate('identify', hook(false))
  app.decorate('requireLogin', hook(true))

  app.prune(
    'log-ins and keys',
    [pruneRefreshTokens, pruneSessions, pruneKeys, prunePasswordLinks].map((prune) => (most) => prune(app.pg, most))
  )
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What a token or key must be good for. */
const scopeOf = (method: string | string[], { scope }: { scope?: Scope } = {}): Scope =>
  scope ?? ([method].flat().every((one) => READING.has(one)) ? 'read' : 'write')

/**
 * Puts a part behind the log-in: all that is registered in it from here on, and says so in its description. With `optional` it is
 * open, and knows who shows who they are.
 */
export function guard(part: FastifyInstance, { optional = false } = {}): void {
  part.addHook('onRequest', optional ? part.identify : part.requireLogin)
  part.addHook('onRequest', part.callLimit)
  part.addHook('onRoute', (route) => {
    const scope = scopeOf(route.method, route.config)
    route.config = { ...route.config, scope } // so that no request works it out
    const ways: Record<string, string[]>[] = [{ oauth2: [scope] }, { bearer: [] }, { apiKey: [] }, { session: [] }]
    const response = { ...problems(401, 403, 429), ...Object(route.schema?.response) }
    route.schema = { ...route.schema, response, security: optional ? [{}, ...ways] : ways }
  })
}

/** Notes who it is; answers the problem when they may not come in: 401, 403 `SCOPE_MISSING` or `OPERATORS_ONLY`. */
function letIn(principal: Identity, required: boolean, request: FastifyRequest, reply: FastifyReply) {
  if (principal === undefined) return refuse(reply, 'invalid_token', 'these credentials are not good, or no longer')
  if (principal === null) return required ? refuse(reply) : undefined
  request.principal = principal
  const { scopes, role } = principal
  const { config } = request.routeOptions
  const scope = scopeOf(request.method, config)
  if (!scopes.includes(scope)) {
    challenge(reply, `error="insufficient_scope", scope="${scope}"`)
    return problem(403, 'SCOPE_MISSING', `this takes a token or key with the scope ${scope}`)
  }
  if (config.role === 'operator' && role !== 'operator') {
    return problem(403, 'OPERATORS_ONLY', 'this is for operators, with the scope operate')
  }
  return undefined
}

/** Says how to log in (RFC 6750 §3); the error only to those who tried. */
function refuse(reply: FastifyReply, error?: string, detail?: string) {
  challenge(reply, error && `error="${error}", error_description="${detail}"`)
  return problem(
    401,
    'AUTHENTICATION_REQUIRED',
    detail ?? 'send an access token or a key as Authorization: Bearer, or a key as X-API-Key'
  )
}

function challenge(reply: FastifyReply, more?: string): void {
  reply.header('www-authenticate', `Bearer realm="api"${more ? `, ${more}` : ''}`)
}

export default fp(auth, {
  name: 'auth',
  fastify: '5.x',
  decorators: { fastify: ['pg', 'groupRead', 'prune', 'redis'] }
})

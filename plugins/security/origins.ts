/** Pages of other origins: which ones may call us from a browser, and that nobody else's form is taken for ours. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'

/** Headers of answers that scripts may read besides the usual ones. */
const EXPOSED =
  'etag, idempotency-replayed, link, location, preference-applied, retry-after, www-authenticate, x-request-id'
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * An exact list, compared as text: an origin that is not on it is never echoed (fetch standard, CORS protocol). @fastify/cors sets its
 * headers on the answers to everyone, which each request would pay for.
 */
export function addOrigins(app: FastifyInstance, allowed: readonly string[]): void {
  const known = new Set(allowed)

  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers
    if (origin === undefined) return done()
    if (known.has(origin)) allow(origin, reply)
    else if (isForeign(origin, request)) {
      return done(problem(403, 'ORIGIN_MISMATCH', 'this was sent from a page of another site, which may not do so'))
    }
    done()
  })

  // last of all, for pages and the home say what else they differ by
  if (known.size) {
    app.addHook('onSend', (_request, reply, _payload, done) => {
      reply.header('vary', [reply.getHeader('vary') ?? [], 'origin'].flat().join(', '))
      done()
    })
  }

  // of all paths: a preflight carries no credentials, so that it could not be answered behind the log-in
  app.options('*', { schema: { hide: true } }, ({ headers }, reply) => {
    const { origin, 'access-control-request-headers': asked } = headers
    if (origin && known.has(origin)) {
      reply.headers({ 'access-control-allow-methods': METHODS, 'access-control-max-age': '600' })
      if (asked) reply.header('access-control-allow-headers', asked)
    }
    return reply.code(204).send()
  })
}

function allow(origin: string, reply: FastifyReply): void {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': EXPOSED
  })
}

/**
 * Whether a page of another site sends something by the power of its visitor's browser: programs show who they are. What a proxy in
 * front asked for (Basic) shows nothing: a browser sends it whoever asks it to.
 */
function isForeign(origin: string, { method, headers, host, protocol }: FastifyRequest): boolean {
  const { authorization = '', 'x-api-key': key } = headers
  if (READING.has(method) || key || /^bearer /i.test(authorization)) return false
  if (!URL.canParse(origin)) return true
  const page = new URL(origin)
  // over http nobody knows what the browser had, unless a trusted proxy said so
  return page.host !== host || (protocol === 'https' && page.protocol !== 'https:')
}

/** What every answer and every request from outside is held to: headers, limits by address. */
import { createHmac } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import ipaddr from 'ipaddr.js'
import { problem } from '#schema/problem'

export interface SecurityOptions {
  /** Key under which addresses are hashed before they are kept. */
  secret: string
  /** Submissions that one address may send in a minute. Default 120. */
  submissionsPerMinute?: number
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Whose limits an anonymous request counts against: a keyed hash of its address. */
    submitterOf: (request: FastifyRequest) => string
    /** Holds an address to its submissions in a minute, over all routes with this hook together. */
    submissionLimit: preValidationAsyncHookHandler
  }
  interface FastifyReply {
    /** Says that this answer is the same for all: a cache in front of the gateways may keep it for a second. */
    shared: () => FastifyReply
  }
}

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join(';')

/**
 * What every answer carries unless its route says otherwise (OWASP HTTP Headers Cheat Sheet). Written once: @fastify/helmet works
 * them out again for each request, which cost a tenth of it. Strict-Transport-Security is said by whoever terminates TLS.
 */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

/** Hashes remembered, so that a busy address costs one. */
const MOST_HASHES = 10_000

async function security(app: FastifyInstance, { secret, submissionsPerMinute = 120 }: SecurityOptions) {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS)
    done()
  })
  app.decorateReply('shared', function (this: FastifyReply) {
    return this.header('cache-control', 'public, max-age=0, s-maxage=1')
  })
  await app.register(rateLimit, { global: false })

  app.decorate('submitterOf', createSubmitterOf(secret))
  // made once: each route that is given the options instead would count for itself
  app.decorate(
    'submissionLimit',
    app.rateLimit({
      max: submissionsPerMinute,
      timeWindow: 60_000,
      errorResponseBuilder: (_request, { ttl }) =>
        problem(429, 'TOO_MANY_SUBMISSIONS', 'too many submissions from your address; wait a little', {
          retryAfter: Math.ceil(ttl / 1_000)
        })
    })
  )
}

function createSubmitterOf(secret: string) {
  const hashes = new Map<string, string>()
  return ({ ip }: FastifyRequest) => {
    const known = hashes.get(ip)
    if (known) return known
    const hash = `ip:${createHmac('sha256', secret).update(networkOf(ip)).digest('base64url').slice(0, 22)}`
    if (hashes.size >= MOST_HASHES) hashes.clear()
    hashes.set(ip, hash)
    return hash
  }
}

/** An IPv6 customer has a network of /64 to choose addresses from: it counts as one, as in @fastify/rate-limit. */
function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip
  const address = ipaddr.process(ip) // an IPv4 address in IPv6 clothes is that IPv4 address
  return address instanceof ipaddr.IPv6 ? address.parts.slice(0, 4).join(':') : address.toString()
}

export default fp(security, { name: 'security', fastify: '5.x' })

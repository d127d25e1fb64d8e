/** What every answer and every request from outside is held to: headers, limits by address. */
import { createHmac } from 'node:crypto'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
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
    /** Route options that hold submissions to the limit by address. */
    submissionLimit: { rateLimit: object }
  }
}

/** Hashes remembered, so that a busy address costs one. */
const MOST_HASHES = 10_000

async function security(app: FastifyInstance, { secret, submissionsPerMinute = 120 }: SecurityOptions) {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        fontSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"]
      }
    },
    strictTransportSecurity: false, // said by whoever terminates TLS
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' }
  })
  await app.register(rateLimit, { global: false })

  app.decorate('submitterOf', createSubmitterOf(secret))
  app.decorate('submissionLimit', {
    rateLimit: {
      max: submissionsPerMinute,
      timeWindow: 60_000,
      errorResponseBuilder: (_request: FastifyRequest, { ttl }: { ttl: number }) =>
        problem(429, 'TOO_MANY_SUBMISSIONS', 'too many submissions from your address; wait a little', {
          retryAfter: Math.ceil(ttl / 1_000)
        })
    }
  })
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
}

function createSubmitterOf(secret: string) {
  const hashes = new Map<string, string>()
  return ({ ip }: FastifyRequest) => {
    const known = hashes.get(ip)
    if (known) return known
    const hash = `ip:${createHmac('sha256', secret).update(ip).digest('base64url').slice(0, 22)}`
    if (hashes.size >= MOST_HASHES) hashes.clear()
    hashes.set(ip, hash)
    return hash
  }
}

export default fp(security, { name: 'security', fastify: '5.x' })

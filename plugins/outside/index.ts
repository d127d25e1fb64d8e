/**
 * The one way to call the outside world: guarded against private addresses, limited in time and size, tried again where that
 * is safe, and stopped by a breaker for hosts that fail. No cookies, no caches; redirects are followed by hand.
 */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Agent } from 'undici'
import { type BreakerOptions, createBreaker } from './breaker.js'
import { type ConnectOptions, createConnect } from './connect.js'
import { createRequest, type SendRequest } from './request.js'
import { createTargets, type TargetOptions } from './targets.js'

export { isOutsideError } from './failures.js'

export interface OutsideOptions extends TargetOptions, Pick<ConnectOptions, 'resolve' | 'build'> {
  /** Who calls. Default `Beeline`. */
  userAgent?: string
  breaker?: BreakerOptions
}

declare module 'fastify' {
  interface FastifyInstance {
    outside: {
      /**
       * Sends a request and answers what came back, whatever its status below 500.
       * @throws OutsideError with a `code` and whether the fault is `passing`; the reason of the caller's signal
       */
      request: SendRequest
    }
  }
}

async function outside(app: FastifyInstance, { userAgent = 'Beeline', breaker, ...options }: OutsideOptions) {
  const { resolve, build, ...whom } = options
  const targets = createTargets(whom)
  const agent = new Agent({
    connect: createConnect({ targets, ...(resolve && { resolve }), ...(build && { build }) }),
    connections: 8,
    pipelining: 1,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 30_000
  })
  app.addHook('onClose', () => agent.destroy())
  app.decorate('outside', { request: createRequest({ dispatcher: agent, breaker: createBreaker(breaker), userAgent }) })
}

export default fp(outside, { name: 'outside', fastify: '5.x' })

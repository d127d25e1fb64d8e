/** How often a caller may ask: counted in all gateways together through Redis, and in each alone while it is away. */
import type { FastifyInstance, FastifyRequest, onRequestHookHandler, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '#schema/problem'
import { createCounts } from './counts.js'

export interface LimitsOptions {
  /** Submissions that one caller may send in a minute, and log-ins. Default 120. */
  submissionsPerMinute?: number
  /** Requests that one caller who is known may send in a minute. Default 6000. */
  callsPerMinute?: number
  /** Prefix of the keys in Redis. Default 'bq'. */
  prefix?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Holds a caller to their submissions in a minute, over all routes with this hook together. */
    submissionLimit: preValidationHookHandler
    /** The same for log-ins and refreshes, counted apart: each of them leaves a row. */
    logInLimit: preValidationHookHandler
    /** The same for all calls of who is known: after that was found out. Strangers pass. */
    callLimit: onRequestHookHandler
  }
}

const MINUTE_MS = 60_000

async function limits(app: FastifyInstance, options: LimitsOptions) {
  const { submissionsPerMinute = 120, callsPerMinute = 6_000, prefix = 'bq' } = options
  const counts = createCounts({ redis: app.redis, prefix: `${prefix}:limit:`, windowMs: MINUTE_MS })

  const limit =
    (name: string, most: number, refuse: (retryAfter: number) => Error) =>
    (request: FastifyRequest, _reply: unknown, done: (error?: Error) => void) => {
      const { count, leftMs } = counts.add(`${name} ${app.submitterOf(request)}`)
      done(count > most ? refuse(Math.max(1, Math.ceil(leftMs / 1_000))) : undefined)
    }

  app.decorate(
    'submissionLimit',
    limit('submissions', submissionsPerMinute, (retryAfter) =>
      problem(429, 'TOO_MANY_SUBMISSIONS', 'too many submissions from you; wait a little', { retryAfter })
    )
  )
  app.decorate(
    'logInLimit',
    limit('log-ins', submissionsPerMinute, (retryAfter) =>
      problem(429, 'TOO_MANY_REQUESTS', 'too many log-ins from you; wait a little', { retryAfter })
    )
  )
  const callLimit = limit('calls', callsPerMinute, (retryAfter) =>
    problem(429, 'TOO_MANY_REQUESTS', 'too many requests from you; wait a little', { retryAfter })
  )
  app.decorate('callLimit', (request, reply, done) => (request.principal ? callLimit(request, reply, done) : done()))
  app.addHook('onClose', counts.stop)
}

export default fp(limits, {
  name: 'limits',
  fastify: '5.x',
  decorators: { fastify: ['redis', 'submitterOf'], request: ['principal'] }
})

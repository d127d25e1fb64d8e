/** Alive, ready, healthy: three questions, three answers (design rule 9: ready is not alive). */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type from 'typebox'

const Alive = Type.Object({ status: Type.Literal('ok') })
const Dependency = Type.Union([Type.Literal('up'), Type.Literal('down')])
const Readiness = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]),
  postgres: Dependency,
  redis: Dependency
})

async function health(app: FastifyInstance) {
  let redisSeen = false

  async function look() {
    const answers = app.pg.query('select 1').then(
      () => 'up' as const,
      () => 'down' as const
    )
    redisSeen ||= app.queue.isReady()
    const postgres = await answers
    const redis: 'up' | 'down' = app.queue.isReady() ? 'up' : 'down'
    // jobs are accepted while Redis is away, so its later loss leaves the service ready
    return { status: postgres === 'up' && redisSeen ? ('ok' as const) : ('unavailable' as const), postgres, redis }
  }

  app.get('/healthz', { schema: describe('Is the process alive?', { 200: Alive }) }, async () => ({
    status: 'ok' as const
  }))

  app.get(
    '/readyz',
    { schema: describe('Can it work?', { 200: Readiness, 503: Readiness }) },
    async (_request, reply) => {
      const readiness = await look()
      return reply.code(readiness.status === 'ok' ? 200 : 503).send(readiness)
    }
  )

  app.get(
    '/api/health',
    { schema: describe('Is the service healthy?', { 200: Alive, 503: Readiness }) },
    async (_request, reply) => {
      const readiness = await look()
      return readiness.postgres === 'up' ? { status: 'ok' as const } : reply.code(503).send(readiness)
    }
  )
}

const describe = (summary: string, response: object) => ({ summary, tags: ['health'], response })

export default fp(health, { name: 'health', fastify: '5.x', decorators: { fastify: ['pg', 'queue'] } })

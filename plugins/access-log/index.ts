/** One line for each answered request; the id in it follows the request into the job and the consumer's log. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

async function accessLog(app: FastifyInstance) {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { method, url, ip } = request
    const ms = Math.round(reply.elapsedTime * 10) / 10
    request.log.info({ method, path: url.split('?', 1)[0], status: reply.statusCode, ms, ip }, 'answered')
    done()
  })
}

export default fp(accessLog, { name: 'access-log', fastify: '5.x' })

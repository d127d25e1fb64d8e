/** Redis for everything but Bee-Queue, whose client is adapted to it. It starts while Redis is away; its commands fail at once then. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Redis } from 'ioredis'

export interface RedisOptions {
  /** Address of Redis. */
  url: string
}

declare module 'fastify' {
  interface FastifyInstance {
    redis: Redis
  }
}

async function redis(app: FastifyInstance, { url }: RedisOptions) {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 2_000,
    connectTimeout: 5_000,
    keepAlive: 10_000,
    retryStrategy: (times: number) => Math.min(50 * times, 1_000)
  })
  client.on('error', (error) => app.log.debug({ err: error }, 'Redis is away')) // the queue says so aloud
  app.decorate('redis', client)
  app.addHook('onClose', async () => client.disconnect())
}

export default fp(redis, { name: 'redis', fastify: '5.x' })

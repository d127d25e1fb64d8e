/** Tells gateways that tasks were written, as a gateway's own write does. */
import Fastify from 'fastify'
import cache, { prefixBeside } from '#plugins/cache'
import redis from '#plugins/redis'
import { listKey } from '#plugins/tasks'
import { readConfig } from '#schema/config'

/** Takes away the kept list of tasks that are nobody's. False when there is no Redis to be told. @throws Error for a wrong setting */
export async function tellCache(environment: Record<string, string | undefined>): Promise<boolean> {
  if (!environment.REDIS_URL && !environment.REDIS_HOST) return false
  const given = Object.entries(environment).filter(([name]) => name.startsWith('REDIS_'))
  const { REDIS_URL: url, REDIS_PREFIX } = readConfig({
    ...Object.fromEntries(given),
    // readConfig checks all settings; these two are not used
    SECRET_KEY: 'not-needed-to-reach-the-redis-server',
    DATABASE_URL: 'postgres://not-needed'
  })
  const app = Fastify()
  app.register(redis, { url })
  app.register(cache, { prefix: prefixBeside(REDIS_PREFIX) })
  await app.ready() // it is known by then whether Redis is there
  const isThere = app.redis.status === 'ready'
  if (isThere) await app.cache.forget(listKey(null))
  await app.close()
  return isThere
}

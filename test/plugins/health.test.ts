import assert from 'node:assert/strict'
import t from 'tap'
import health from '#plugins/health'
import { findFreePort } from '../../infra/local/ports.js'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startConsumer, startGateway } from '../helpers/processes.js'
import { clientOf, startServers } from '../helpers/stack.js'

t.test('B20 it stands on stand-ins for the two servers', async (t) => {
  const app = createApp(t)
  const servers = { postgres: true, redis: false }
  // only what it asks of each
  app.decorate('pg', {
    query: () => (servers.postgres ? Promise.resolve() : Promise.reject(new Error('away')))
  } as never)
  app.decorate('queue', { isReady: () => servers.redis } as never)
  app.register(health)
  const ask = async (url: string) => {
    const answer = await app.inject(url)
    return [answer.statusCode, answer.json()]
  }

  t.strictSame(await ask('/healthz'), [200, { status: 'ok' }], 'alive asks nobody')
  t.strictSame(await ask('/readyz'), [503, { status: 'unavailable', postgres: 'up', redis: 'down' }])
  servers.redis = true
  t.strictSame(await ask('/readyz'), [200, { status: 'ok', postgres: 'up', redis: 'up' }])
  servers.redis = false
  t.strictSame(
    await ask('/readyz'),
    [200, { status: 'ok', postgres: 'up', redis: 'down' }],
    'jobs are accepted without it'
  )
  servers.postgres = false
  t.strictSame(await ask('/readyz'), [503, { status: 'unavailable', postgres: 'down', redis: 'down' }])
  t.match(await ask('/api/health'), [503, { postgres: 'down' }])
  t.strictSame(await ask('/healthz'), [200, { status: 'ok' }], 'ready is not alive')
})

t.test(
  'E4 both services start without their servers, are not ready until both are up, and then by themselves',
  async (t) => {
    const servers = await startServers(t)
    await Promise.all([servers.postgres.stop(), servers.redis.stop()])
    const services = await Promise.all([startGateway(t, servers.env), startConsumer(t, servers.env)])
    const readiness = () =>
      Promise.all(services.map(async ({ url }) => (await clientOf(() => url).get('/readyz')).status))
    for (const { url } of services) t.equal((await clientOf(() => url).get('/healthz')).status, 200, 'alive')
    t.strictSame(await readiness(), [503, 503], 'both are away')
    await servers.postgres.start()
    await eventually(async () => {
      const { postgres } = Object(await (await clientOf(() => services[0].url).get('/readyz')).json())
      assert.equal(postgres, 'up')
    })
    t.strictSame(await readiness(), [503, 503], 'Redis is still away')
    await servers.redis.start()
    await eventually(async () => assert.deepEqual(await readiness(), [200, 200]))

    await t.test('B2 health is ok, and 503 naming postgres once it is stopped', async (t) => {
      const { get } = clientOf(() => services[0].url)
      const well = await get('/api/health')
      t.equal(well.status, 200)
      t.strictSame(await well.json(), { status: 'ok' })
      await servers.postgres.stop()
      const ill = await get('/api/health')
      t.equal(ill.status, 503)
      t.match(await ill.json(), { postgres: 'down', redis: 'up' })
      t.equal((await get('/healthz')).status, 200)
      await servers.postgres.start()
      await eventually(async () => assert.equal((await get('/api/health')).status, 200))
    })
  }
)

t.test('E4 with STRICT_START=true a service ends with 1 and says which server is away, and what to set', async (t) => {
  const servers = await startServers(t)
  const strict = { ...servers.env, STRICT_START: 'true' }
  const nowhere = `127.0.0.1:${await findFreePort()}`
  const refused = [
    [
      startGateway,
      { DATABASE_URL: `postgres://u:canary@${nowhere}/x` },
      /^Postgres is away \(.+\): start it or correct DATABASE_URL$/m
    ],
    [
      startGateway,
      { DATABASE_URL: servers.postgres.url.replace(/:[^:@/]*@/, ':canary@') },
      /^Postgres is away \(password .+DATABASE_URL$/m
    ],
    [
      startGateway,
      { REDIS_URL: `redis://:canary@${nowhere}` },
      /^Redis is away \(.+\): start it or correct REDIS_URL$/m
    ],
    [startConsumer, { DATABASE_URL: `postgres://u:canary@${nowhere}/x` }, /^Postgres is away/m]
  ] as const
  for (const [start, settings, message] of refused) {
    const error = await start(t, { ...strict, ...settings }).catch((error: Error) => error)
    t.match(error, { message })
    t.match(error, { message: /^it ended with code 1$/m })
    t.notMatch(String(error), 'canary')
  }
  const { url } = await startGateway(t, strict)
  t.equal((await clientOf(() => url).get('/readyz')).status, 200, 'with both up it starts, and is ready at once')
})

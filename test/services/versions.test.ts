import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { buildGateway } from '../../services/gateway/app.js'
import { testConfig } from '../helpers/app.js'

t.test('D10 a second version of the API stands beside the first, on the same core', async (t) => {
  const app = buildGateway({
    config: testConfig({ API_KEY: 'a-key-for-tests-of-enough-letters' }),
    registry: buildRegistry(await loadDefinitions()),
    die: (error) => t.fail(error)
  })
  t.teardown(() => app.close())
  app.register(
    async (v2: FastifyInstance) => {
      v2.addHook('onRequest', v2.requireLogin)
      v2.get('/jobs/:id', { schema: { summary: 'Read a job, anew', tags: ['v2'] } }, async ({ params }) => ({
        version: 2,
        params
      }))
    },
    { prefix: '/api/v2' }
  )
  const key = { 'x-api-key': 'a-key-for-tests-of-enough-letters' }
  const second = await app.inject({ url: '/api/v2/jobs/any', headers: key })
  t.strictSame(second.json(), { version: 2, params: { id: 'any' } })
  t.equal((await app.inject('/api/v2/jobs/any')).statusCode, 401, 'the core’s log-in holds for both')
  t.match(
    (await app.inject({ url: '/api/jobs/any', headers: key })).json(),
    { code: 'INVALID_PARAMS' },
    'the first has its own contract'
  )
  const { paths } = (await app.inject('/openapi.json')).json()
  t.ok(paths['/api/jobs/{id}'] && paths['/api/v2/jobs/{id}'])
})

import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { buildGateway } from '../../services/gateway/app.js'
import { testConfig } from '../helpers/app.js'

const registry = buildRegistry(await loadDefinitions())

/** The gateway with its servers away: its description needs none. */
function createGateway(t: { teardown: (end: () => unknown) => unknown }, env = {}) {
  const app = buildGateway({
    config: testConfig(env),
    registry,
    die: (error) => t.teardown(() => Promise.reject(error))
  })
  t.teardown(() => app.close())
  return app
}

t.test('D13 the gateway builds and describes itself without handlers and without servers', async (t) => {
  const app = createGateway(t)
  const answer = await app.inject('/openapi.json')
  t.equal(answer.statusCode, 200)

  const description = answer.json()
  t.match(await new Validator().validate(description), { valid: true }, 'D7 it is valid OpenAPI 3.1')
  t.match(description.openapi, /^3\.1/)

  await t.test('it describes every form and the job API, once each', async (t) => {
    const paths = Object.keys(description.paths)
    for (const name of registry.forms.keys()) {
      for (const mode of ['sync', 'async']) {
        t.ok(description.paths[`/${mode}/${name}`]?.post, `POST /${mode}/${name}`)
        t.ok(paths.includes(`/${mode}/${name}/{id}`))
      }
    }
    t.ok(paths.includes('/api/jobs/{id}'))
    t.notOk(paths.includes('/sync/'), 'short addresses are not told twice')
    t.notOk(paths.some((path) => path.startsWith('/docs') || path.startsWith('/static')))
  })

  await t.test('errors are told as the Problem schema, by its name', async (t) => {
    t.ok(description.components.schemas.Problem)
    const { responses } = description.paths['/sync/contact'].post
    for (const status of ['400', '409', '413', '415', '422', '429', '503']) {
      t.match(JSON.stringify(responses[status]), '#/components/schemas/Problem', status)
    }
  })

  await t.test('every operation has a summary, a tag, and its bodies are bounded', async (t) => {
    for (const [path, operations] of Object.entries<Record<string, { summary?: string; tags?: string[] }>>(
      description.paths
    )) {
      for (const [method, { summary, tags }] of Object.entries(operations)) {
        t.ok(summary && tags?.length, `${method} ${path}`)
      }
    }
    const { schema } = description.paths['/sync/contact'].post.requestBody.content['application/json']
    t.match(schema, { additionalProperties: false, properties: { name: { maxLength: 100 } } })
  })
})

t.test('D12 its info comes from the environment', async (t) => {
  const app = createGateway(t, { APP_NAME: 'Hive', APP_VERSION: '7.8.9', APP_DESCRIPTION: 'Keeps bees.' })
  const { info } = (await app.inject('/openapi.json')).json()
  t.strictSame(info, { title: 'Hive', version: '7.8.9', description: 'Keeps bees.' })
})

t.test('E7 /api/doc leads to the same document as /docs', async (t) => {
  const app = createGateway(t)
  const doc = await app.inject('/api/doc')
  t.equal(doc.statusCode, 302)
  t.equal(doc.headers.location, '/docs')
  t.match((await app.inject('/docs')).body, 'swagger-ui')
  t.strictSame((await app.inject('/docs/json')).json(), (await app.inject('/openapi.json')).json())
})

t.test('the docs page runs from our files alone', async (t) => {
  const app = createGateway(t)
  const { body, headers } = await app.inject('/docs')
  const files = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = '']) => file)
  t.ok(files.length > 4)
  for (const file of files) t.equal((await app.inject(file)).statusCode, 200, file)
  t.notMatch(headers['content-security-policy'], /http|unsafe|upgrade/, 'also over plain HTTP on another machine')
})

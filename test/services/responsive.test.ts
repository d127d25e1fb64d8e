import assert from 'node:assert/strict'
import t from 'tap'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { buildGateway } from '../../services/gateway/app.js'
import { testConfig } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { CONTACT, startServers, startStack } from '../helpers/stack.js'

t.test('D1 the list of tasks is answered while another request runs a query of 5 s', async (t) => {
  const { env, sql } = await startServers(t)
  const app = buildGateway({
    config: testConfig({ ...env, PUBLIC_TASKS: 'true' }),
    registry: buildRegistry(await loadDefinitions()),
    die: (error) => t.fail(error.message)
  })
  t.teardown(() => app.close())
  const ended: string[] = []
  app.get('/slow', async () => {
    const client = await app.pg.connect()
    await client.query('set statement_timeout = 0')
    const query = { text: 'select pg_sleep(5)', query_timeout: 10_000 } // node-postgres takes it, its types do not know it
    await client.query(query)
    client.release(true)
    ended.push('slow')
    return 'done'
  })
  await app.ready()
  const slow = app.inject('/slow')
  await eventually(async () => {
    const [{ n } = {}] = await sql<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where query = 'select pg_sleep(5)' and state = 'active'"
    )
    assert.equal(n, 1, 'it runs')
  })
  for (let n = 0; n < 40; n++) {
    // the list from Postgres and from the cache in turn, and one by its id
    const answer = await app.inject(['/api/tasks?limit=10', '/api/tasks', '/api/tasks/1'][n % 3] ?? '')
    t.ok([200, 404].includes(answer.statusCode))
  }
  t.strictSame(ended, [], 'all were answered before it ended')
  t.equal((await slow).statusCode, 200)
})

t.test('C11 every answer that is text says that it is UTF-8', async (t) => {
  const stack = await startStack(t, { PUBLIC_TASKS: 'true' })
  const html = { accept: 'text/html' }
  const css = (await (await stack.get('/', html)).text()).match(/href="([^"]+\.css[^"]*)"/)?.[1] ?? ''
  const answers = await Promise.all([
    stack.get('/', html),
    stack.get('/', { accept: 'application/json' }),
    stack.get('/sync/', html),
    stack.get('/sync/nothing', html),
    stack.get(css),
    stack.get('/docs'),
    stack.get('/openapi.json'),
    stack.get('/healthz'),
    stack.get('/readyz'),
    stack.get('/api/health'),
    stack.get('/api/tasks'),
    stack.get('/api/tasks'),
    stack.get('/api/tasks?limit=1'),
    stack.get('/api/tasks/1'),
    stack.get('/api/tasks/x'),
    stack.get('/nothing'),
    stack.get('/nothing', html),
    stack.post('/api/tasks', { title: 'Bienenstöcke' }),
    stack.post('/api/tasks', {}),
    stack.post('/sync/contact', CONTACT),
    stack.post('/async/contact', CONTACT),
    stack.postForm('/sync/contact', { name: '' }, html)
  ])
  for (const { url, status, headers } of answers) {
    t.match(headers.get('content-type'), /^(text|application)\/[a-z+]+; charset=utf-8$/i, `${status} ${url}`)
  }
})

/** Pages over HTTP: the same answer whether one waits or comes back, and a row that belongs to the job. */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startSite } from '../helpers/outside-app.js'
import { startConsumer } from '../helpers/processes.js'
import { startStack } from '../helpers/stack.js'
import { createApi } from './api.js'

const site = await startSite(t, ({ url = '' }, response) => {
  if (url === '/robots.txt') return void response.writeHead(404).end()
  response
    .setHeader('content-type', 'text/html; charset=utf-8')
    .end('<html lang="en"><title>Bees</title><h1>Hives</h1>')
})
const stack = await startStack(t)
const consumer = await startConsumer(t, { ...stack.env, OUTSIDE_ALLOW: `127.0.0.1:${site.port}` })
const api = createApi(stack.gateway)

t.test('C2 C3 a document or an address is answered as JSON, and its row is linked to the job', async (t) => {
  for (const source of [{ document: '<html lang="en"><title>Bees</title><h1>Hives</h1>' }, { url: `${site.url}/` }]) {
    const { status, body, headers } = await api.post('/api/jobs/parse-page', source)
    t.equal(status, 200)
    t.match(body, { title: 'Bees', language: 'en', headings: [{ level: 1, text: 'Hives' }] })
    const id = headers.get('location')?.split('/').at(-1)
    t.match(await stack.sql('select title, language from pages where id = $1', [id]), [
      { title: 'Bees', language: 'en' }
    ])
  }
})

t.test('C4 D23 through the queue: 202 and an id, later the same shape; the log names parser.parse-page', async (t) => {
  const { status, body } = await api.post('/api/jobs/parse-page/async', { url: `${site.url}/later` })
  t.equal(status, 202)
  const result = await eventually(async () => {
    const answer = await api.get(`/api/jobs/${body.id}/result`)
    assert.equal(answer.status, 200)
    return answer.body
  })
  t.match(result, { title: 'Bees', url: `${site.url}/later` })
  await eventually(() =>
    assert.ok(consumer.lines.some((line) => line.includes('"job":"parser.parse-page"') && line.includes(body.id)))
  )
})

t.test('what cannot be had is told with its code; what is no page is refused before it is stored', async (t) => {
  t.match(await api.post('/api/jobs/parse-page', { url: 'http://169.254.169.254/' }), {
    status: 409,
    body: { code: 'JOB_DEAD', detail: /ADDRESS_FORBIDDEN/ }
  })
  for (const wrong of [
    {},
    { url: 'ftp://example.org' },
    { url: 'http://user:word@example.org' },
    { document: '' },
    { url: `${site.url}/`, document: 'x' }
  ]) {
    t.equal((await api.post('/api/jobs/parse-page', wrong)).status, 422)
  }
})

import t from 'tap'
import accessLog from '#plugins/access-log'
import { createApp, createLog } from '../helpers/app.js'

t.test('A24 each request is one line, under the id that its answer carries, without query or body', async (t) => {
  const log = createLog()
  const app = createApp(t, { logger: log.logger })
  await app.register(accessLog)
  app.post('/things/:id', async (_request, reply) => reply.code(201).send({ ok: true }))
  const answer = await app.inject({ method: 'POST', url: '/things/7?token=secret', payload: { text: 'private' } })
  const [line, ...more] = log.lines.filter(({ msg }) => msg === 'answered')
  t.strictSame(more, [])
  t.match(line, { level: 30, method: 'POST', path: '/things/7', status: 201, ms: Number, ip: '127.0.0.1' })
  t.equal(answer.headers['x-request-id'], line?.reqId)
  t.notMatch(JSON.stringify(line), /secret|private/)
})

t.test('what was not found, or failed, is logged as well', async (t) => {
  const log = createLog()
  const app = createApp(t, { logger: log.logger })
  await app.register(accessLog)
  app.get('/', async () => Promise.reject(new Error('odd')))
  await Promise.all([app.inject('/'), app.inject('/nowhere')])
  const told = log.lines.filter(({ msg }) => msg === 'answered').map(({ path, status }) => [path, status])
  t.strictSame(told.sort(), [
    ['/', 500],
    ['/nowhere', 404]
  ])
})

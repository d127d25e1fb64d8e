import t from 'tap'
import Type from 'typebox'
import problems from '#plugins/problems'
import { Uuid } from '#schema/job'
import { problem } from '#schema/problem'
import { isOutage } from '../../plugins/database/faults.js'
import { createApp, createLog } from '../helpers/app.js'

const Body = Type.Object({ name: Type.String({ minLength: 1, maxLength: 5 }) }, { additionalProperties: false })

/** An app with a route that throws what it is given. */
function appThatThrows(t: Parameters<typeof createApp>[0], thrown: unknown, log = createLog()) {
  const app = createApp(t, { logger: log.logger })
  app.decorate('isOutage', isOutage)
  app.register(problems)
  app.get('/', () => Promise.reject(thrown))
  return app
}

t.test('B20 it registers alone', async (t) => {
  const app = createApp(t)
  await app.register(problems)
  await app.ready()
  t.ok(app.hasRequestDecorator('wantsPage'))
})

t.test('a problem that is thrown is the answer (RFC 9457)', async (t) => {
  const errors = [{ pointer: '/a', detail: 'is odd' }]
  const app = appThatThrows(t, problem(409, 'TASK_BUSY', 'task 7 is busy', { errors, retryAfter: 3 }))
  const answer = await app.inject({ url: '/', headers: { 'x-request-id': 'r' } })
  t.equal(answer.statusCode, 409)
  t.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
  t.equal(answer.headers['retry-after'], '3')
  const { instance, ...body } = answer.json()
  t.strictSame(body, {
    type: 'about:blank',
    title: 'Conflict',
    status: 409,
    code: 'TASK_BUSY',
    detail: 'task 7 is busy',
    errors
  })
  t.match(instance, /./, 'it names the request')
})

t.test('what the server did wrong is not told, but logged with its cause', async (t) => {
  const failures = [
    new Error('secret detail'),
    Object.assign(new Error('secret detail'), { statusCode: 200 }),
    Object.assign(new Error('secret detail'), { code: 'ERR_SECRET_DETAIL', statusCode: 500 }),
    Object.assign(new Error('secret detail'), { code: '23505', severity: 'ERROR', detail: 'secret detail' }),
    new TypeError('secret detail')
  ]
  for (const failure of failures) {
    const log = createLog()
    const answer = await appThatThrows(t, failure, log).inject('/')
    t.equal(answer.statusCode, 500)
    t.match(answer.json(), { code: 'INTERNAL', title: 'Internal Server Error' })
    t.notMatch(answer.body, /secret/i)
    const line = log.lines.find(({ level }) => level === 50)
    t.match(
      line,
      { err: { message: 'secret detail' }, reqId: answer.json().instance },
      'the log has it under the same id'
    )
  }
})

t.test('a database that is away is 503', async (t) => {
  const outages = [
    Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }),
    Object.assign(new Error('terminating connection'), { code: '57P01', severity: 'FATAL' }),
    new Error('Connection terminated unexpectedly'),
    new Error('Query read timeout'),
    new Error('timeout exceeded when trying to connect')
  ]
  for (const outage of outages) {
    const answer = await appThatThrows(t, outage).inject('/')
    t.match(answer.json(), { status: 503, code: 'DATABASE_UNAVAILABLE' }, outage.message)
    t.equal(answer.headers['retry-after'], '2')
  }
})

t.test('a request that its client broke off is not a fault of the database', async (t) => {
  const log = createLog()
  const aborted = Object.assign(new Error('aborted'), { code: 'ECONNRESET', statusCode: 400 })
  const answer = await appThatThrows(t, aborted, log).inject('/')
  t.equal(answer.statusCode, 400)
  t.strictSame(
    log.lines.filter(({ level }) => level === 50),
    []
  )
})

t.test('bodies that do not fit are 422, paths, queries and headers 400, with pointers', async (t) => {
  const app = createApp(t)
  app.register(problems)
  app.register(async (app) => {
    const querystring = Type.Object({ n: Type.Optional(Type.Integer({ minimum: 1 })) })
    const headers = Type.Object({ 'x-short': Type.Optional(Type.String({ maxLength: 3 })) })
    app.post(
      '/:id',
      { schema: { params: Type.Object({ id: Uuid }), querystring, headers, body: Body } },
      async () => 'ran'
    )
  })
  const id = '01940000-0000-7000-8000-000000000000'
  const send = (url: string, payload: object, headers = {}) => app.inject({ method: 'POST', url, payload, headers })
  t.equal((await send(`/${id}`, { name: 'Ada' })).body, 'ran')
  t.equal((await send(`/${id}?n=2`, { name: 'Ada' })).body, 'ran', 'queries are texts, decoded')
  t.match((await send(`/${id}`, { name: '' })).json(), {
    status: 422,
    code: 'INVALID_BODY',
    detail: 'the body does not fit; see errors',
    errors: [{ pointer: '/name' }]
  })
  t.match((await send('/7', { name: 'Ada' })).json(), {
    status: 400,
    code: 'INVALID_PARAMS',
    detail: 'the path of the address does not fit; see errors',
    errors: [{ pointer: '/id' }]
  })
  t.match((await send(`/${id}?n=0`, { name: 'Ada' })).json(), {
    status: 400,
    code: 'INVALID_QUERYSTRING',
    detail: 'the query of the address does not fit; see errors'
  })
  t.match((await send(`/${id}`, { name: 'Ada' }, { 'x-short': 'long' })).json(), {
    status: 400,
    code: 'INVALID_HEADERS',
    detail: 'the headers do not fit; see errors'
  })
})

t.test('E9 a custom URL type rejects a bad path value with 400 before the handler', async (t) => {
  const app = createApp(t)
  app.register(problems)
  const ran: string[] = []
  app.register(async (app) => {
    app.get<{ Params: { id: string } }>(
      '/things/:id',
      { schema: { params: Type.Object({ id: Uuid }) } },
      async (request) => {
        ran.push(request.params.id)
        return 'ran'
      }
    )
  })
  for (const id of ['7', 'x', '%00', "1'or'1", '01940000-0000-7000-8000-00000000000g']) {
    t.equal((await app.inject(`/things/${id}`)).statusCode, 400, id)
  }
  t.strictSame(ran, [], 'the handler never ran')
  t.equal((await app.inject('/things/01940000-0000-7000-8000-000000000000')).statusCode, 200)
  t.equal(ran.length, 1)
})

t.test('what is not there is 404, without the query, which may hold a secret', async (t) => {
  const app = createApp(t)
  await app.register(problems)
  const answer = await app.inject('/nowhere?token=abc')
  t.match(answer.json(), { status: 404, code: 'NOT_FOUND', detail: 'nothing is at /nowhere' })
})

t.test('a browser gets a page where pages are, JSON where none are', async (t) => {
  const headers = { accept: 'text/html,*/*' }
  t.match((await appThatThrows(t, problem(410, 'GONE', 'gone')).inject({ url: '/', headers })).json(), { code: 'GONE' })

  const app = createApp(t)
  app.register(problems)
  app.decorateReply('page', function (this, template, data) {
    return this.type('text/html').send(`${template} ${Object(data.problem).code}`)
  })
  const answer = await app.inject({ url: '/nowhere', headers })
  t.equal(answer.statusCode, 404)
  t.equal(answer.body, 'problem NOT_FOUND')
})

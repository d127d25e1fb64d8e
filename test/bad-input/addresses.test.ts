import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { KEY } from '../helpers/processes.js'
import { CONTACT, idOf, startStack } from '../helpers/stack.js'
import { assertProblem, storesNothing } from './refusal.js'

const stack = await startStack(t)
const UNKNOWN = '01940000-0000-7000-8000-000000000000'
const IDS = ['/sync/contact/', '/async/contact/', '/api/jobs/']

/** One that fits, and those that could not be read. */
const BODIES: [type: string, body: string][] = [
  ['application/json', JSON.stringify(CONTACT)],
  ['application/json', ''],
  ['application/json', '{'],
  ['application/x-www-form-urlencoded', '%'],
  ['text/plain', 'x'],
  ['no type', 'x']
]

t.test('paths that cannot be read, or lead nowhere', async (t) => {
  const unreadable = ['/%zz', '/%', '/sync/%ff', '/async/contact/%F0', '/api/jobs/%c3%28', '/%E0%80%80']
  const nowhere = [
    '/nowhere',
    '/sync/nowhere',
    '/sync/constructor',
    '/async/__proto__',
    '/sync/contact/x/y',
    '/SYNC/contact',
    '//sync/contact',
    '/sync//contact',
    '/sync/../../etc/passwd',
    '/sync/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '/static/',
    '/static/nothing.css',
    '/static/%00',
    '/static/%2e%2e/package.json',
    '/static/..%2f..%2f..%2fpackage.json',
    '/docs/static/..%2f..%2fpackage.json',
    '/api/nothing',
    "/sync/contact'--",
    '/sync/contact;x=1',
    '/sync/ＣＯＮＴＡＣＴ'
  ]
  for (const path of unreadable) {
    t.match(await assertProblem(t, await stack.get(path), 400, path), { code: 'BAD_URL' })
    await assertProblem(t, await stack.post(path, CONTACT), 400, `POST ${path}`)
  }
  for (const path of nowhere) {
    t.match(await assertProblem(t, await stack.get(path, KEY), 404, path), { code: 'NOT_FOUND' })
    await assertProblem(t, await stack.post(path, CONTACT), 404, `POST ${path}`)
  }
})

t.test('D26 E9 an id that is no UUID is 400, one that nobody has is 404, never "pending"', async (t) => {
  const odd = [
    '1',
    '0',
    '-1',
    'null',
    'undefined',
    '%00',
    '%20',
    "1'%20or%20'1'='1",
    '1%20or%201=1',
    `${UNKNOWN}0`,
    `${UNKNOWN}%00`
  ]
  for (const path of IDS) {
    for (const id of odd) {
      const { code, errors } = await assertProblem(t, await stack.get(path + id, KEY), 400, path + id)
      t.equal(code, 'INVALID_PARAMS')
      t.match(errors, [{ pointer: '/id', detail: /^must (be a UUID|have at most 36 characters)$/ }])
    }
    for (const id of [UNKNOWN, UNKNOWN.toUpperCase(), 'ffffffff-ffff-ffff-ffff-ffffffffffff']) {
      t.match(await assertProblem(t, await stack.get(path + id, KEY), 404, path + id), { code: /_NOT_FOUND$/ })
    }
    await assertProblem(t, await stack.get(path + 'a'.repeat(101), KEY), 414, `${path} and 101 letters`)
  }
})

t.test('an id is found only where it belongs', async (t) => {
  const job = await idOf(await stack.post('/async/contact', CONTACT))
  const submission = await idOf(await stack.post('/sync/contact', CONTACT))
  t.equal((await stack.get(`/async/contact/${job}`)).status, 200)
  t.equal((await stack.get(`/sync/contact/${submission}`)).status, 200)
  t.equal((await stack.get(`/api/jobs/${job}`, KEY)).status, 200)
  for (const path of [
    `/async/damage-report/${job}`,
    `/sync/contact/${job}`,
    `/sync/damage-report/${submission}`,
    `/async/contact/${submission}`,
    `/api/jobs/${submission}`
  ]) {
    await assertProblem(t, await stack.get(path, KEY), 404, path)
  }
})

t.test('methods that a place does not have are 405, name those that it has, and store nothing', async (t) => {
  const places = {
    '/sync/contact': ['PUT', 'PATCH', 'DELETE', 'PROPFIND'],
    '/async/contact': ['PUT', 'PATCH', 'DELETE', 'PROPFIND'],
    [`/async/contact/${UNKNOWN}`]: ['POST', 'PUT', 'PATCH', 'DELETE'],
    [`/api/jobs/${UNKNOWN}`]: ['PUT', 'PATCH'],
    '/healthz': ['POST', 'PUT', 'DELETE'],
    '/openapi.json': ['POST', 'DELETE'],
    '/docs': ['POST']
  }
  await storesNothing(t, stack, async () => {
    for (const [path, methods] of Object.entries(places)) {
      for (const method of methods) {
        for (const [type, body] of BODIES) {
          const answer = await fetch(stack.gateway.url + path, { method, headers: { 'content-type': type }, body })
          const problem = await assertProblem(t, answer, 405, `${method} ${path}`)
          t.match(problem, { code: 'METHOD_NOT_ALLOWED' })
          const allowed = answer.headers.get('allow')?.split(', ') ?? []
          t.ok(allowed.includes('GET') && allowed.includes('HEAD'), String(allowed))
          t.notOk(allowed.includes(method), `${method} is not among them`)
        }
      }
    }
  })
})

t.test('where nothing is, that is what is said, whatever the body is like', async (t) => {
  for (const [type, body] of BODIES) {
    const answer = await fetch(`${stack.gateway.url}/nowhere`, {
      method: 'POST',
      headers: { 'content-type': type },
      body
    })
    t.match(await assertProblem(t, answer, 404, `${type} ${body}`), { code: 'NOT_FOUND' })
  }
})

t.test('a client that names a type and sends no body is understood', async (t) => {
  for (const [method, path, code] of [
    ['DELETE', `/api/jobs/${UNKNOWN}`, 'JOB_NOT_FOUND'],
    ['POST', `/api/jobs/${UNKNOWN}/replay`, 'JOB_NOT_FOUND'],
    ['DELETE', '/api/tasks/999999', 'TASK_NOT_FOUND']
  ] as const) {
    const headers = { ...KEY, 'content-type': 'application/json' }
    t.match(await assertProblem(t, await fetch(stack.gateway.url + path, { method, headers }), 404, path), { code })
  }
})

t.test('a job type that is not there is told from a wrong method', async (t) => {
  await storesNothing(t, stack, async () => {
    for (const way of ['', '/async', '/batch', '?on_timeout=revoke']) {
      const answer = await stack.post(`/api/jobs/no-such-type${way}`, CONTACT, KEY)
      const { code, detail } = await assertProblem(t, answer, 404, way)
      t.equal(code, 'JOB_TYPE_NOT_FOUND')
      t.match(detail, 'no job type no-such-type; there are: ')
      t.match(detail, 'store-submission', 'it names those that are there')
    }
    t.equal((await stack.post('/api/jobs/no-such-type', CONTACT)).status, 401, 'for those who may come in')
  })
})

t.test('queries are ignored where none is known, whatever they hold', async (t) => {
  for (const query of ['?a=1', '?a=%zz', '?%00', '?__proto__[x]=1', `?${'a=1&'.repeat(1_000)}`, '?id=1&id=2']) {
    t.equal((await stack.get(`/sync/contact${query}`)).status, 200, query.slice(0, 20))
    t.equal((await stack.post(`/sync/contact${query}`, CONTACT)).status, 201, query.slice(0, 20))
  }
})

t.test('headers that are huge, many, or odd', async (t) => {
  await storesNothing(t, stack, async () => {
    const big = await fetch(`${stack.gateway.url}/healthz`, { headers: { 'x-big': 'a'.repeat(20_000) } })
    t.match(await assertProblem(t, big, 431, '20 kB in a header'), { code: 'HEADERS_TOO_LARGE' })
    await assertProblem(t, await stack.get(`/${'a'.repeat(20_000)}`), 431, 'an address of 20 kB')
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, 'a']))
    t.equal((await stack.get('/healthz', many)).status, 200)
    for (const accept of ['*/*', '', 'x', 'application/json;q=0', 'text/html;q=x', ','.repeat(1_000)]) {
      t.ok((await stack.get('/healthz', { accept })).status < 500, `accept ${accept.slice(0, 20)}`)
      t.equal((await stack.post('/sync/contact', {}, { accept })).status, 422)
    }
  })
})

t.test('a request that does not name its host', async (t) => {
  const ask = async (version: string) => {
    const socket = connect(Number(new URL(stack.gateway.url).port), '127.0.0.1')
    socket.end(`GET /healthz HTTP/${version}\r\nConnection: close\r\n\r\n`)
    return await text(socket)
  }
  const refusal = await ask('1.1')
  t.match(refusal, /^HTTP\/1.1 400 /)
  t.match(refusal, /content-type: application\/problem\+json.*"code":"HOST_MISSING"/s)
  t.match(refusal, /^x-content-type-options: nosniff\r$/m, 'with the headers that every answer has')
  t.match(await ask('1.0'), /^HTTP\/1.1 200 /, 'before HTTP/1.1 nobody had to')
})

t.test('an id that a client gives its request is used only when it is harmless', async (t) => {
  const harmless = await stack.get('/nowhere', { 'x-request-id': 'client-7.a:b/c=d+e' })
  t.equal(harmless.headers.get('x-request-id'), 'client-7.a:b/c=d+e')
  for (const id of ['<script>', 'a b', 'a'.repeat(101), 'ä', '', '"', 'a\tb']) {
    const answer = await stack.get('/nowhere', {
      'x-request-id': encodeURI(id) === id ? id : Buffer.from(id).toString('latin1')
    })
    t.match(answer.headers.get('x-request-id'), /^[0-9a-f-]{36}$/, `${id.slice(0, 10)} is not taken over`)
  }
})

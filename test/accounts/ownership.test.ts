/** What is one user's is nobody else's: jobs, submissions, keys of repetition, limits. */
import assert from 'node:assert/strict'
import t from 'tap'
import { bearer, createUser, logIn, PASSWORD } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { KEY, startConsumer, startGateway } from '../helpers/processes.js'
import { CONTACT, clientOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t)
const consumer = await startConsumer(t, stack.env)
await Promise.all([createUser(stack, 'ada'), createUser(stack, 'grace'), createUser(stack, 'olga', 'operator')])
const headersOf = async (name: string, more = {}) => bearer((await logIn(stack, name, more)).access_token)
const [ada, grace, olga, plainOlga] = await Promise.all([
  ...['ada', 'grace', 'olga'].map((name) => headersOf(name)),
  headersOf('olga', { scope: 'read write' })
])
const userId = async (name: string) =>
  (await stack.sql<{ id: string }>('select id from users where username = $1', [name]))[0]?.id

/** No row has it. */
const UNKNOWN = '019a0000-0000-7000-8000-000000000000'
const JOB = { form: 'contact', data: CONTACT }
const ids = async (path: string, headers = {}): Promise<string[]> => {
  const { items } = Object(await (await stack.get(path, headers)).json())
  return items.map(({ id }: { id: string }) => id)
}
const json = async (answer: Response) => Object(await answer.json())
const call = (method: string, path: string, headers = {}) => fetch(stack.gateway.url + path, { method, headers })

/** A job that does not run. */
async function submit(headers = {}) {
  const { id } = await json(
    await stack.post('/api/jobs/store-submission/async?run_at=2099-01-01T00:00:00Z', JOB, headers)
  )
  return String(id)
}

t.test('a job belongs to who sent it: others, unless they are operators, do not find it', async (t) => {
  const job = await submit(ada)
  const [row] = await stack.sql('select owner_id, submitter from jobs where id = $1', [job])
  const owner = await userId('ada')
  t.strictSame(row, { owner_id: owner, submitter: `user:${owner}` })

  const routes: [string, string][] = [
    ['GET', `/api/jobs/${job}`],
    ['GET', `/api/jobs/${job}/result`],
    ['GET', `/api/jobs/${job}/attempts`],
    ['GET', `/api/jobs/${job}/events`],
    ['POST', `/api/jobs/${job}/replay`],
    ['DELETE', `/api/jobs/${job}`]
  ]
  for (const stranger of [grace, plainOlga]) {
    for (const [method, path] of routes) {
      const answer = await call(method, path, stranger)
      t.equal(answer.status, 404, `${method} ${path}`)
      t.match(await answer.json(), { code: 'JOB_NOT_FOUND' })
    }
  }
  t.equal(await stack.get(`/api/jobs/${job}`, ada).then(({ status }) => status), 200)
  t.match(await json(await stack.get(`/api/jobs/${job}`, olga)), { owner_id: owner, status: 'queued' })
  t.equal((await stack.get(`/api/jobs/${job}`, KEY)).status, 200, 'the key of the environment is an operator')
  t.equal((await call('DELETE', `/api/jobs/${job}`, ada)).status, 204)
})

t.test('a result is taken away by who may change something, and by no link that a browser is led to', async (t) => {
  const job = await submit(ada)
  await stack.sql(`update jobs set state = 'succeeded', result = '{}', finished_at = now() where id = $1`, [job])
  const path = `/api/jobs/${job}/result`
  const { headers } = await stack.postForm('/login', { username: 'ada', password: PASSWORD })
  const cookie = (headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  for (const reader of [await headersOf('ada', { scope: 'read' }), { cookie }]) {
    const answer = await stack.get(`${path}?forget=true`, reader)
    t.equal(answer.status, 403)
    t.match(await answer.json(), { code: 'SCOPE_MISSING' })
    t.equal((await stack.get(path, reader)).status, 200)
  }
  t.equal((await stack.get(`${path}?forget=true`, ada)).status, 200)
  await eventually(async () => assert.equal((await stack.get(path, ada)).status, 410))
})

t.test('who follows a job hears nothing more once the log-in has ended', async (t) => {
  const { access_token, refresh_token } = await logIn(stack, 'ada')
  const id = await submit(ada)
  const { body } = await stack.get(`/api/jobs/${id}/events`, bearer(access_token))
  if (!body) throw new Error('no stream')
  const told: string[] = []
  const ended = body
    .pipeThrough(new TextDecoderStream())
    .pipeTo(new WritableStream({ write: (text) => void told.push(text) }))
  await eventually(() => assert.match(told.join(''), /"queued"/))
  await stack.postForm('/api/oauth/revoke', { token: refresh_token })
  t.equal((await call('DELETE', `/api/jobs/${id}`, ada)).status, 204)
  await ended
  t.notMatch(told.join(''), 'cancelled')
})

t.test('lists hold what is one’s own, and an operator’s everything', async (t) => {
  const [hers, theirs] = [await submit(ada), await submit(grace)]
  const { batch_id } = await json(await stack.post('/api/jobs/store-submission/batch', [JOB, JOB], ada))
  for (const query of ['?limit=200', '?limit=200&state=queued', '?type=store-submission&limit=200']) {
    const [own, others, all] = [
      await ids(`/api/jobs${query}`, ada),
      await ids(`/api/jobs${query}`, grace),
      await ids(`/api/jobs${query}`, olga)
    ]
    t.ok(own.includes(hers) && !own.includes(theirs), query)
    t.ok(others.includes(theirs) && !others.includes(hers), query)
    t.ok(all.includes(hers) && all.includes(theirs), query)
  }
  t.equal((await ids(`/api/jobs?batch=${batch_id}`, ada)).length, 2)
  t.strictSame(await ids(`/api/jobs?batch=${batch_id}`, grace), [])
  t.equal((await stack.get('/api/jobs/balance', ada)).status, 403)
  t.match(await json(await stack.get('/api/jobs/balance', plainOlga)), { code: 'OPERATORS_ONLY' })
  t.equal((await stack.get('/api/jobs/balance', olga)).status, 200)
})

t.test('dead jobs are repeated by their owner or an operator, and stay their owner’s', async (t) => {
  const [first, second] = [await submit(ada), await submit(ada)]
  await stack.sql(
    `update jobs set state = 'dead', finished_at = now(), error = '{"code": "FAILED", "detail": "x"}' where id = any($1)`,
    [[first, second]]
  )
  const count = async (headers = {}) =>
    (await json(await stack.post('/api/jobs/replay', { dry_run: true }, headers))).matching
  t.strictSame([await count(ada), await count(grace), await count(olga)], [2, 0, 2])
  t.match(await json(await stack.post('/api/jobs/replay', { dry_run: false }, grace)), { replayed: 0 })
  t.equal((await stack.post(`/api/jobs/${first}/replay`, {}, olga)).status, 202)
  t.match(await json(await stack.post('/api/jobs/replay', { dry_run: false }, olga)), { replayed: 1 })
  const repeats = await stack.sql('select distinct owner_id from jobs where replay_of = any($1)', [[first, second]])
  t.strictSame(repeats, [{ owner_id: await userId('ada') }])
})

t.test('a submission of somebody known is theirs, either way; operators read all', async (t) => {
  const direct = await json(await stack.post('/sync/contact', CONTACT, ada))
  const queued = await json(await stack.post('/async/contact', CONTACT, ada))
  const anonymous = await json(await stack.post('/sync/contact', CONTACT))
  await eventually(async () => assert.equal((await stack.get(`/api/submissions/${queued.id}`, olga)).status, 200))
  const owner = await userId('ada')
  for (const { id } of [direct, queued]) {
    t.match(await json(await stack.get(`/api/submissions/${id}`, ada)), { id, owner_id: owner, data: CONTACT })
    t.match(await json(await stack.get(`/api/submissions/${id}`, grace)), { code: 'SUBMISSION_NOT_FOUND' })
  }
  t.match(await json(await stack.get(`/api/submissions/${anonymous.id}`, olga)), { owner_id: null, mode: 'sync' })
  t.equal((await stack.get(`/api/submissions/${anonymous.id}`, ada)).status, 404)
  t.equal((await stack.get('/api/submissions')).status, 401)
  t.strictSame(await ids('/api/submissions', grace), [])
  const own = await ids('/api/submissions', ada)
  t.ok(own.includes(direct.id) && own.includes(queued.id) && !own.includes(anonymous.id))

  t.equal(
    (await stack.post('/sync/contact', CONTACT, bearer('nonsense'))).status,
    401,
    'bad credentials are said to be bad'
  )
})

t.test('receipt and status of what somebody known sent are theirs, in every way to ask', async (t) => {
  const { headers } = await stack.postForm('/login', { username: 'ada', password: PASSWORD })
  const cookie = { cookie: (headers.get('set-cookie') ?? '').split(';')[0] ?? '' }
  const key = async (who: Record<string, string>, body: object) => ({
    'x-api-key': String((await json(await stack.post('/api/users/me/keys', { name: 'x', ...body }, who))).key)
  })
  const [adasKey, writer] = [await key(ada, { scopes: ['read'] }), await key(ada, { scopes: ['write'] })]
  for (const mode of ['sync', 'async']) {
    const [{ id }, { id: anonymous }] = [
      await json(await stack.post(`/${mode}/contact`, CONTACT, ada)),
      await json(await stack.post(`/${mode}/contact`, CONTACT))
    ]
    for (const accept of ['application/json', 'text/html']) {
      const statusOf = async (one: string, headers = {}) =>
        (await stack.get(`/${mode}/contact/${one}`, { accept, ...headers })).status
      for (const one of [ada, adasKey, cookie, olga, KEY]) t.equal(await statusOf(id, one), 200, `${mode} ${accept}`)
      for (const one of [grace, plainOlga, {}, { cookie: `${cookie.cookie}x` }]) {
        t.equal(await statusOf(id, one), 404, `${mode} ${accept}`)
        t.equal(await statusOf(anonymous, one), 200, 'what nobody known sent is open to who has its address')
      }
      t.equal(await statusOf(id, writer), 403)
      t.equal(await statusOf(id, bearer('nonsense')), 401)
    }
    const hidden = await stack.get(`/${mode}/contact/${id}`, grace)
    const nowhere = await stack.get(`/${mode}/contact/${UNKNOWN}`, grace)
    t.equal(
      (await json(hidden)).detail.replace(id, ''),
      (await json(nowhere)).detail.replace(UNKNOWN, ''),
      'nothing tells that it is there'
    )
    const head = await call('HEAD', `/${mode}/contact/${id}`, grace)
    t.equal(head.status, 404)
  }
})

t.test('who repeats a submission is told how far it is', async (t) => {
  const key = { 'idempotency-key': 'once-more', ...ada }
  const first = await json(await stack.post('/async/contact', CONTACT, key))
  t.match(await json(await stack.post('/async/contact', CONTACT, key)), { id: first.id, status: /./ })
})

t.test('A5 operators list submissions by form and mode, page by page', async (t) => {
  for (let i = 0; i < 5; i++) await stack.post('/sync/contact', { ...CONTACT, name: `page ${i}` })
  const filter = 'form=contact&mode=sync&limit=2'
  const seen: string[] = []
  for (let next: string | null = ''; next !== null; ) {
    const answer = await stack.get(`/api/submissions?${filter}${next && `&before=${next}`}`, olga)
    const page = await json(answer)
    t.ok(page.items.length <= 2)
    t.ok(page.items.every(({ form, mode }: { form: string; mode: string }) => form === 'contact' && mode === 'sync'))
    seen.push(...page.items.map(({ id }: { id: string }) => id))
    next = page.next
    if (next) t.match(answer.headers.get('link'), `before=${next}>; rel="next"`)
  }
  const rows = await stack.sql<{ id: string }>(
    `select id from submissions where form = 'contact' and mode = 'sync' order by id desc`
  )
  t.strictSame(
    seen,
    rows.map(({ id }) => id)
  )
  t.equal((await stack.get('/api/submissions?mode=other', olga)).status, 400)
  t.equal((await stack.get('/api/submissions?owner_id=x', olga)).status, 400)
  t.equal((await stack.get('/api/submissions/1', olga)).status, 400)
})

t.test('keys of repetition of two callers never meet', async (t) => {
  const key = { 'idempotency-key': 'the-same-for-all' }
  const answers = await Promise.all(
    [ada, grace, olga, KEY, {}].map((headers) => stack.post('/sync/contact', CONTACT, { ...headers, ...key }))
  )
  const bodies = await Promise.all(answers.map(json))
  t.equal(new Set(bodies.map(({ id }) => id)).size, 5)
  t.ok(answers.every(({ status, headers }) => status === 201 && !headers.has('idempotency-replayed')))
  const other = await stack.post('/sync/contact', { ...CONTACT, name: 'another' }, { ...grace, ...key })
  t.equal(other.status, 422, 'each has their own')
  const again = await stack.post('/sync/contact', CONTACT, { ...ada, ...key })
  t.equal((await json(again)).id, bodies[0].id)
  const jobs = await Promise.all(
    [ada, grace].map((headers) => stack.post('/api/jobs/store-submission/async', JOB, { ...headers, ...key }))
  )
  t.equal(new Set((await Promise.all(jobs.map(json))).map(({ id }) => id)).size, 2)
})

t.test('unfinished jobs are counted for each user, wherever they send from', async (t) => {
  const strict = await startGateway(t, { ...stack.env, OPEN_JOBS_PER_OWNER: '3', TRUST_PROXY: 'loopback' })
  const { post } = clientOf(() => strict.url)
  await createUser(stack, 'busy')
  const busy = await headersOf('busy')
  const send = (address: string, headers = busy) =>
    post('/api/jobs/store-submission/async?run_at=2099-01-01T00:00:00Z', JOB, {
      ...headers,
      'x-forwarded-for': address
    })
  for (const end of [1, 2, 3]) t.equal((await send(`192.0.2.${end}`)).status, 202)
  const refused = await send('192.0.2.4')
  t.equal(refused.status, 429)
  t.match(await json(refused), { code: 'TOO_MANY_OPEN_JOBS' })
  await createUser(stack, 'calm')
  t.equal(
    (await send('192.0.2.1', await headersOf('calm'))).status,
    202,
    'another user at the same address is not held up'
  )
})

t.test('owner, role, state and id cannot be given from outside', async (t) => {
  const before = await stack.sql('select id, username, role from users order by id')
  const fields = {
    owner_id: await userId('grace'),
    ownerId: 'x',
    role: 'operator',
    state: 'succeeded',
    status: 'dead',
    id: await userId('ada'),
    submitter: 'x'
  }
  for (const [field, value] of Object.entries(fields)) {
    for (const path of ['/sync/contact', '/async/contact']) {
      const answer = await stack.post(path, { ...CONTACT, [field]: value }, ada)
      t.match(await json(answer), { status: 422, errors: [{ pointer: `/${field}` }] }, `${path} ${field}`)
    }
    t.equal((await stack.post('/api/jobs/store-submission', { ...JOB, [field]: value }, ada)).status, 422, field)
    t.equal((await stack.post(`/api/jobs/store-submission/async?${field}=x`, JOB, ada)).status, 400, field)
    t.equal(
      (await stack.post('/api/users/password', { token: 'x', password: 'six quiet bees', [field]: value })).status,
      422
    )
  }
  t.strictSame(await stack.sql('select id, username, role from users order by id'), before)
})

t.test('the consumer runs what users sent', async (t) => {
  const answer = await stack.post('/api/jobs/store-submission', JOB, { ...grace, prefer: 'wait=20' })
  t.equal(answer.status, 200)
  const { submission_id } = await json(answer)
  t.match(await json(await stack.get(`/api/submissions/${submission_id}`, grace)), { owner_id: await userId('grace') })
  t.ok(consumer.lines.length > 0)
})

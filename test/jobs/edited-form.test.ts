/** Forms and job types are edited while submissions wait: what was accepted is stored all the same. */
import assert from 'node:assert/strict'
import t from 'tap'
import { copyBuild } from '../helpers/build-copy.js'
import { balanced, settled, startFaultStack } from '../helpers/fault-stack.js'
import { KEY } from '../helpers/processes.js'
import { type Api, createApi } from './api.js'

const CONTACT = { form: 'contact', data: { name: 'Ada', email: 'ada@example.org', message: 'hello', consent: true } }
/** A field that nobody has filled in so far, and that everybody must. */
const EDIT = {
  file: 'schema/forms/contact.js',
  from: "name: text({ title: 'Name', maxLength: 100 }),",
  to: "name: text({ title: 'Name', maxLength: 100 }), city: text({ title: 'City', maxLength: 100 }),"
}
const PAGE = { document: '<p>Ada keeps bees.</p>' }
/** Longer than a document may be from now on. */
const LONG = { document: `${PAGE.document} And much more of the same.` }
const TIGHTER = { file: 'schema/parsed-page.js', from: 'maxLength: 1_048_576', to: 'maxLength: 30' }

const [stack, edited] = await Promise.all([startFaultStack(t), copyBuild(t, [EDIT, TIGHTER])])

t.test('what was accepted before is stored as it was typed, whichever way it came', async (t) => {
  const gateway = await stack.gateway()
  const { post } = createApi(gateway)
  const answers = await Promise.all([
    ...[1, 2, 3].map(() => post('/async/contact', CONTACT.data)),
    post('/api/jobs/store-submission/async', CONTACT),
    post('/api/jobs/store-submission/async', { ...CONTACT, form_version: 'of my own' }),
    post('/api/jobs/store-submission/batch', [CONTACT])
  ])
  const ids = answers.map(({ body }) => String(body.id ?? body.items[0].id))
  await gateway.kill('SIGTERM')
  const [newer] = await Promise.all([stack.gateway({}, { build: edited }), stack.consumer({}, { build: edited })])
  const jobs = await settled(stack.db, ids)
  t.strictSame([...new Set(jobs.map(({ state }) => state))], ['succeeded'])
  const { rows } = await stack.db.query('select data from submissions where id = any($1)', [ids])
  t.strictSame(rows, Array(6).fill({ data: CONTACT.data }))

  const present = createApi(newer)
  const refused = { status: 422, body: { errors: [{ detail: 'is required' }] } }
  t.match(await present.post('/async/contact', CONTACT.data), refused, 'from now on the form as it is counts')
  t.match(await present.post('/api/jobs/store-submission', CONTACT), refused)
  t.match(await present.post('/api/jobs/store-submission/batch', [CONTACT]), refused)
  const complete = { ...CONTACT, data: { ...CONTACT.data, city: 'Rome' } }
  t.match(await present.post('/api/jobs/store-submission', complete), { status: 200 })
})

t.test('a repeat of what was accepted before is told so, though form or type would refuse it now', async (t) => {
  const older = await stack.gateway()
  const newer = await stack.gateway({}, { build: edited })
  const typed = new URLSearchParams({ ...CONTACT.data, consent: 'on', idempotency_key: 'of the page' }).toString()
  const fields = { 'content-type': 'application/x-www-form-urlencoded' }
  const ways = [
    ['/sync/contact', JSON.stringify(CONTACT.data), {}],
    ['/async/contact', JSON.stringify(CONTACT.data), {}],
    ['/async/contact', typed, fields],
    ['/api/jobs/store-submission?run_at=2099-01-01T00:00:00Z', JSON.stringify(CONTACT), { prefer: 'wait=0' }],
    ['/api/jobs/store-submission/async', JSON.stringify(CONTACT), {}],
    ['/api/jobs/store-submission/batch', JSON.stringify([CONTACT]), {}],
    ['/api/jobs/parse-page?run_at=2099-01-01T00:00:00Z&timeout=9', JSON.stringify(LONG), { prefer: 'wait=0' }],
    ['/api/jobs/parse-page/async?run_at=2099-01-01T00:00:00Z', JSON.stringify(LONG), {}],
    ['/api/jobs/parse-page/batch?run_at=2099-01-01T00:00:00Z', JSON.stringify([PAGE, LONG]), {}]
  ] as const
  for (const [n, [path, body, more]] of ways.entries()) {
    const send = async (gateway: { url: string }, key: string, sent: string = body) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': key, ...KEY, ...more }
      const answer = await fetch(gateway.url + path, { method: 'POST', headers, body: sent })
      const { id, batch_id = id, code } = (await answer.json()) as Record<string, string>
      return { status: answer.status, id: batch_id, code, replayed: answer.headers.get('idempotency-replayed') }
    }
    const first = await send(older, `first-${n}`)
    t.ok(first.id && first.status < 300, `${path}: ${first.status}`)
    const again = await send(newer, `first-${n}`)
    t.strictSame(again, { ...first, replayed: 'true' }, path)
    const refused = { status: 422, code: 'INVALID_BODY' }
    t.match(await send(newer, `another-${n}`), refused, `${path}: under a key of its own it is refused`)
    t.match(await send(newer, `first-${n}`, body.replace('Ada', 'Eve')), refused, 'and so is another one')
  }
})

t.test('a repeat of a batch of which less fits by now, or nothing, is told what was stored of it', async (t) => {
  const older = createApi(await stack.gateway())
  const newer = createApi(await stack.gateway({}, { build: edited }))
  const path = '/api/jobs/parse-page/batch?partial=true&run_at=2099-01-01T00:00:00Z'
  for (const [key, payloads, stored] of [
    ['less', [{}, LONG, PAGE, LONG], [1, 2, 3]],
    ['nothing', [{}, LONG, LONG], [1, 2]]
  ] as const) {
    const first = await older.post(path, payloads, { 'idempotency-key': key })
    const again = await newer.post(path, payloads, { 'idempotency-key': key })
    const places = first.body.items.map(({ item }: { item: number }) => item)
    t.strictSame(places, stored)
    t.ok(first.body.errors.length > 0 && again.headers.get('idempotency-replayed') === 'true')
    t.strictSame([again.status, again.body], [first.status, first.body], key)
  }
  const { body } = await newer.post(path, [LONG, PAGE])
  t.match([body.items.length, body.items[0].item, body.errors[0].pointer], [1, 1, /^\/0/])
})

t.test(
  'a payload that does not fit is refused with all that is wrong with it; a wrong query comes first',
  async (t) => {
    const { post, call } = createApi(await stack.gateway())
    for (const way of ['', '/async']) {
      const path = `/api/jobs/store-submission${way}`
      const wrong = { form: 1, more: true }
      const { status, headers, body } = await post(path, wrong)
      t.equal(headers.get('content-type'), 'application/problem+json; charset=utf-8')
      t.match({ status, ...body }, { status: 422, title: 'Unprocessable Entity', code: 'INVALID_BODY' })
      t.equal(body.detail, 'the body does not fit; see errors')
      t.strictSame(body.errors, [
        { pointer: '/data', detail: 'is required' },
        { pointer: '/more', detail: 'is not a known field' },
        { pointer: '/form', detail: 'must be a string' }
      ])
      t.match(await call('POST', path), { status: 422, body: { errors: [{ pointer: '' }] } }, 'no body at all')
      t.match(await post(`${path}?timeout=never`, CONTACT), { status: 400, body: { code: 'INVALID_QUERYSTRING' } })
      t.match(await post(`${path}?timeout=never`, wrong), { status: 400, body: { code: 'INVALID_QUERYSTRING' } })
    }
  }
)

t.test('a dead job is repeated as its form is now, and carries its version', async (t) => {
  const [present, newer] = (await Promise.all([stack.gateway(), stack.gateway({}, { build: edited })])).map(createApi)
  assert.ok(present && newer)
  const { body: waiting } = await present.post('/api/jobs/store-submission/async?run_at=2099-01-01T00:00:00Z', CONTACT)
  await stack.db.query(`update jobs set state = 'dead', error = '{"code": "X", "detail": "x"}' where id = $1`, [
    waiting.id
  ])
  const path = `/api/jobs/${waiting.id}/replay`
  t.match(await newer.post(path, {}), { status: 422, body: { errors: [{ pointer: '/data/city' }] } })
  const { body: old } = await newer.get(`/api/jobs/${waiting.id}`)
  const payload = { ...old.payload, data: { ...CONTACT.data, city: 'Rome' } }
  const { status, body } = await newer.post(path, { payload })
  t.equal(status, 202)
  const { body: repeated } = await newer.get(`/api/jobs/${body.id}`)
  t.not(repeated.payload.form_version, old.payload.form_version)
  await balanced(stack.db)
})

t.test('a replay sent again is told so, though its form would refuse it now, or its type is gone', async (t) => {
  const older = createApi(await stack.gateway())
  const newer = createApi(await stack.gateway({}, { build: edited }))
  const original = await older.post('/api/jobs/store-submission/async?run_at=2099-01-01T00:00:00Z', CONTACT)
  const { id } = original.body
  await stack.db.query(`update jobs set state = 'dead', error = '{"code": "X", "detail": "x"}' where id = $1`, [id])
  const replay = (api: Api, key: string, body: object = {}) =>
    api.post(`/api/jobs/${id}/replay`, body, { 'idempotency-key': key })
  const first = await replay(older, 'replay')
  t.equal(first.status, 202)

  async function isToldAgain(refused: object) {
    const { status, headers, body } = await replay(newer, 'replay')
    t.match({ status, body }, { status: 202, body: { id: first.body.id } })
    t.equal(headers.get('idempotency-replayed'), 'true')
    t.match(await replay(newer, 'another'), refused, 'under a key of its own it is refused')
    t.match(await replay(newer, 'replay', { payload: CONTACT }), refused, 'and so is another one')
  }
  await isToldAgain({ status: 422, body: { code: 'INVALID_BODY', errors: [{ pointer: '/data/city' }] } })
  await stack.db.query(`update jobs set type = 'gone' where id = $1`, [id])
  await isToldAgain({ status: 409, body: { code: 'JOB_TYPE_GONE' } })
})

t.test('while a deploy rolls, an older consumer stores what a newer gateway accepts', async (t) => {
  const older = await startFaultStack(t)
  const [newer] = await Promise.all([older.gateway({}, { build: edited }), older.consumer()])
  const data = { ...CONTACT.data, city: 'Rome' }
  const { body } = await createApi(newer).post('/async/contact', data)
  t.match(await settled(older.db, [body.id]), [{ state: 'succeeded' }])
  const { rows } = await older.db.query('select data from submissions')
  t.strictSame(rows, [{ data }])
})

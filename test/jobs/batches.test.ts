/** Many jobs at once: batches, and the list that shows them page by page. */
import assert from 'node:assert/strict'
import t from 'tap'
import { Value } from 'typebox/value'
import { JobSummary } from '#schema/job'
import { eventually } from '../helpers/eventually.js'
import { balanced, settled, startFaultStack } from '../helpers/fault-stack.js'
import { createApi, probe } from './api.js'

const stack = await startFaultStack(t)
const [gateway] = await Promise.all([stack.gateway(), stack.consumer()])
const api = createApi(gateway)
const UUID = /^[0-9a-f-]{36}$/

t.test('a batch is stored whole or not at all; with partial=true what fits', async (t) => {
  const good = (n: number) => probe({ marker: `batch ${n}` })
  const { status, body, headers } = await api.post(
    '/api/jobs/probe/batch',
    Array.from({ length: 1_000 }, (_, n) => good(n))
  )
  t.equal(status, 202)
  t.match(body, { batch_id: UUID, errors: [] })
  t.strictSame(
    body.items.map(({ item }: { item: number }) => item),
    Array.from({ length: 1_000 }, (_, n) => n)
  )
  await settled(
    stack.db,
    body.items.map(({ id }: { id: string }) => id)
  )
  const listed = await api.get(headers.get('location') ?? '')
  t.equal(listed.body.items.length, 50)
  t.ok(listed.body.items.every((job: { batch_id: string }) => job.batch_id === body.batch_id))

  const before = (await stack.db.query('select count(*)::int as n from jobs')).rows[0].n
  const mixed = [good(1), { form: 'probe', data: {} }, good(2), 'nothing']
  const refused = await api.post('/api/jobs/probe/batch', mixed)
  t.match(refused, { status: 422, body: { code: 'INVALID_BODY', errors: [{ pointer: /^\/1\/data/ }] } })
  t.ok(refused.body.errors.some(({ pointer }: { pointer: string }) => pointer.startsWith('/3')))
  t.equal((await stack.db.query('select count(*)::int as n from jobs')).rows[0].n, before, 'nothing was stored')
  const partial = await api.post('/api/jobs/probe/batch?partial=true', mixed)
  t.equal(partial.status, 202)
  t.strictSame(
    partial.body.items.map(({ item }: { item: number }) => item),
    [0, 2]
  )
  t.ok(partial.body.errors.length >= 2)
  for (const wrong of [[], Array(1_001).fill(good(1)), {}, null]) {
    t.equal((await api.post('/api/jobs/probe/batch', wrong)).status, 422)
  }
  const keyed = { 'idempotency-key': 'batch' }
  const [one, two] = [
    await api.post('/api/jobs/probe/batch', [good(7)], keyed),
    await api.post('/api/jobs/probe/batch', [good(7)], keyed)
  ]
  t.equal(one.body.batch_id, two.body.batch_id)
  t.equal(two.headers.get('idempotency-replayed'), 'true')
  await balanced(stack.db)
})

t.test('a payload that cannot be kept is left out alone, and told by its place', async (t) => {
  const path = '/api/jobs/parse-page/batch?run_at=2099-01-01T00:00:00Z'
  const payloads = ['good', 'a\0', '\ud800', 'good'].map((document) => ({ document }))
  const errors = [
    { pointer: '/1/document', detail: 'must not contain the character NUL' },
    { pointer: '/2/document', detail: 'must not contain half of a surrogate pair' }
  ]
  const { status, body } = await api.post(`${path}&partial=true`, payloads)
  t.equal(status, 202)
  t.strictSame(
    body.items.map(({ item }: { item: number }) => item),
    [0, 3]
  )
  t.strictSame(body.errors, errors)
  t.match(await api.post(path, payloads), {
    status: 422,
    body: { detail: '2 of 4 payloads do not fit; nothing was stored', errors }
  })
  const wrong = await api.post('/api/jobs/probe/batch?partial=true', ['\0', probe(), { form: 'probe', '\0': 1 }])
  t.match(wrong, { status: 202, body: { items: [{ item: 1 }] } })
})

t.test('of many payloads that do not fit each is told, and all that is wrong with few', async (t) => {
  const path = '/api/jobs/parse-page/batch?partial=true&run_at=2099-01-01T00:00:00Z'
  const places = (body: { errors: { pointer: string }[] }) => body.errors.map(({ pointer }) => pointer.split('/')[1])
  /** With some faults each, and at the end one that fits. */
  const send = (bad: number) => api.post(path, [...Array(bad).fill({ a: 1, b: 2, url: 3 }), { document: 'good' }])
  const few = await send(2)
  const faults = places(few.body).length / 2
  t.ok(faults >= 2)
  const each = Array.from({ length: 999 }, (_, n) => String(n))
  t.strictSame([...new Set(places((await send(500)).body))], each.slice(0, 500))
  const { status, body } = await send(999)
  t.equal(status, 202)
  t.equal(body.errors.length, 1_000)
  t.strictSame([...new Set(places(body))], each)
  const refused = await api.post(path, Array(1_000).fill({ a: 1, b: 2 }))
  t.match(refused, { status: 422, body: { detail: /^1000 of 1000 payloads/ } })
  t.strictSame(places(refused.body), [...each, '999'])
})

t.test(
  'a batch beyond the limit of open jobs is told the limit, its own number, and whether waiting helps',
  async (t) => {
    const open = await api.send({ marker: 'open' }, '?run_at=2099-01-01T00:00:00Z')
    const strict = createApi(await stack.gateway({ OPEN_JOBS_PER_OWNER: '4' }))
    const send = (jobs: number) => strict.post('/api/jobs/probe/batch', Array(jobs).fill(probe()))
    const full = await eventually(async () => {
      const answer = await send(4)
      assert.equal(answer.status, 429, 'the gateway has counted what is open')
      return answer
    })
    t.match(full.body, {
      code: 'TOO_MANY_OPEN_JOBS',
      detail: /^you have \d+ unfinished jobs, and 4 more would pass the limit of 4; wait until some are done$/
    })
    const never = await send(5)
    t.match(never, {
      status: 422,
      body: {
        code: 'BATCH_TOO_LARGE',
        detail: '5 jobs at a time, and no more than 4 may be unfinished; send them in smaller batches'
      }
    })
    t.notOk(never.headers.has('retry-after'))
    t.equal((await api.call('DELETE', `/api/jobs/${open}`)).status, 204)
  }
)

t.test('the list goes through pages by its filters, newest first', async (t) => {
  const { body } = await api.post(
    '/api/jobs/probe/batch',
    Array.from({ length: 30 }, (_, n) => probe({ marker: n % 3 ? 'common' : 'rare' }))
  )
  const ids: string[] = body.items.map(({ id }: { id: string }) => id)
  await settled(stack.db, ids)
  const collect = async (query: string) => {
    const found: string[] = []
    for (let path: string | undefined = `/api/jobs?${query}`; path; ) {
      const { status, body, headers } = await api.get(path)
      assert.equal(status, 200, JSON.stringify(body))
      t.ok(body.items.every((item: unknown) => Value.Check(JobSummary, item)))
      found.push(...body.items.map(({ id }: { id: string }) => id))
      const link: string = headers.get('link') ?? ''
      t.equal(link !== '', body.next !== null)
      path = /<([^>]+)>; rel="next"/.exec(link)?.[1]
    }
    return found
  }
  t.strictSame(await collect(`batch=${body.batch_id}&limit=7`), [...ids].sort().reverse(), 'in pages of seven')
  t.strictSame((await collect(`batch=${body.batch_id}&payload_at=/data/marker&payload_is=rare`)).length, 10)
  t.strictSame(await collect(`batch=${body.batch_id}&state=dead`), [])
  t.strictSame((await collect(`batch=${body.batch_id}&state=succeeded&type=probe`)).length, 30)
  t.strictSame(await collect(`batch=${body.batch_id}&type=store-submission`), [])
  const all = await collect('limit=200')
  t.equal(new Set(all).size, all.length, 'no job twice')
  t.strictSame(all, [...all].sort().reverse())
  t.equal(all.length, (await stack.db.query('select count(*)::int as n from jobs')).rows[0].n)
  const middle = (await api.get(`/api/jobs/${ids[15]}`)).body.created_at
  const after = await collect(`created_after=${encodeURIComponent(middle)}`)
  t.ok(after.includes(ids[29] ?? '') && !after.includes(all.at(-1) ?? ''))
  t.strictSame(await collect('created_before=2020-01-01T00:00:00Z'), [])
  for (const state of ['queued', 'active', 'cancelled', 'expired']) await collect(`state=${state}`)
  for (const query of [
    'state=odd',
    'limit=0',
    'limit=1000',
    'before=x',
    'payload_at=/a',
    'payload_at=a&payload_is=b',
    'sort=id'
  ]) {
    t.equal((await api.get(`/api/jobs?${query}`)).status, 400, query)
  }
})

/** Dead letters and the balance: what operators see and do. */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { balanced, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'
import { createApi, probe } from './api.js'

const stack = await startFaultStack(t)
const [gateway] = await Promise.all([stack.gateway({ OPEN_JOBS_PER_OWNER: '10000' }), stack.consumer()])
const api = createApi(gateway)

async function makeDead(marker: string, query = ''): Promise<string> {
  const id = await api.send({ marker, action: 'give-up' }, query)
  await eventually(async () => assert.equal(await api.status(id), 'dead'))
  return id
}

t.test('a dead job is read with what it carried and all its attempts', async (t) => {
  const id = await makeDead('read me')
  t.match((await api.get(`/api/jobs/${id}`)).body, {
    status: 'dead',
    payload: { data: { marker: 'read me' } },
    error: { detail: 'as the probe says' },
    replayed_by: null
  })
  t.match((await api.get(`/api/jobs/${id}/attempts`)).body.items, [
    { attempt: 1, outcome: 'gave_up', error: { detail: 'as the probe says' } }
  ])
  t.ok(
    (await api.get('/api/jobs?state=dead&error_code=HANDLER_FAILED')).body.items.some(
      (job: { id: string }) => job.id === id
    )
  )
})

t.test('it is repeated with an edited payload: checked, the original kept, both linked, once', async (t) => {
  const id = await makeDead('edit me')
  const replay = (body?: unknown, headers?: Record<string, string>) =>
    api.call('POST', `/api/jobs/${id}/replay`, body, headers)
  t.match(await replay({ payload: { form: 'probe', data: {} } }), {
    status: 422,
    body: { code: 'INVALID_BODY', errors: [{ pointer: /^\/data/ }] }
  })
  t.match(await replay({ other: 1 }), { status: 422 })
  const key = { 'idempotency-key': 'replay-once' }
  const { status, body } = await replay({ payload: probe({ marker: 'edited' }) }, key)
  t.equal(status, 202)
  t.match(await settled(stack.db, [body.id]), [{ state: 'succeeded', effects: 1 }])
  t.match((await api.get(`/api/jobs/${body.id}`)).body, { replay_of: id, payload: { data: { marker: 'edited' } } })
  t.match((await api.get(`/api/jobs/${id}`)).body, {
    status: 'dead',
    replayed_by: body.id,
    payload: { data: { marker: 'edit me' } }
  })
  const again = await replay({ payload: probe({ marker: 'edited' }) }, key)
  t.match(again, { status: 202, body: { id: body.id, status: 'succeeded' } }, 'told how far it is by now')
  t.equal(again.headers.get('idempotency-replayed'), 'true')
  t.match(await replay(), { status: 409, body: { code: 'JOB_REPLAYED' } })
  t.match(await api.call('POST', `/api/jobs/${body.id}/replay`), {
    status: 409,
    body: { code: 'JOB_NOT_REPLAYABLE', detail: /dead, cancelled or expired.*; it is succeeded/ }
  })
})

t.test('a repeat that was cancelled or expired is repeated in turn; one that is open is not', async (t) => {
  const id = await makeDead('again and again')
  const replay = (id: string, given: Parameters<typeof probe>[0]) =>
    api.post(`/api/jobs/${id}/replay`, { payload: probe(given) })
  const first = await replay(id, { action: 'sleep', ms: 60_000 })
  t.equal(first.status, 202)
  t.match(await replay(first.body.id, {}), { status: 409, body: { code: 'JOB_NOT_REPLAYABLE' } }, 'it is open')
  t.equal((await api.call('DELETE', `/api/jobs/${first.body.id}`)).status, 204)
  t.match(await replay(id, {}), { status: 409, body: { code: 'JOB_REPLAYED' } })
  const second = await replay(first.body.id, { action: 'sleep', ms: 60_000 })
  t.equal(second.status, 202)
  await api.call('DELETE', `/api/jobs/${second.body.id}`)
  await stack.db.query(`update jobs set state = 'expired' where id = $1`, [second.body.id])
  const third = await replay(second.body.id, { marker: 'mended' })
  t.equal(third.status, 202)
  t.match(await settled(stack.db, [third.body.id]), [{ state: 'succeeded', effects: 1 }])
  const read = async (id: string) => (await api.get(`/api/jobs/${id}`)).body
  t.match(await read(third.body.id), { replay_of: second.body.id })
  t.match(await read(second.body.id), { status: 'expired', replay_of: first.body.id, replayed_by: third.body.id })
  t.match(await read(first.body.id), { status: 'cancelled', replay_of: id, replayed_by: second.body.id })
})

t.test('a repeat has as much time for an attempt as its original', async (t) => {
  const ids = await Promise.all(['one', 'of many'].map((marker) => makeDead(marker, '?timeout=2.5')))
  t.equal((await api.post(`/api/jobs/${ids[0]}/replay`, {})).status, 202)
  t.equal((await api.post('/api/jobs/replay', { dry_run: false })).status, 200)
  const { rows } = await stack.db.query('select timeout_ms from jobs where replay_of = any($1)', [ids])
  t.strictSame(rows, [{ timeout_ms: 2_500 }, { timeout_ms: 2_500 }])
  t.equal((await api.get(`/api/jobs/${ids[0]}`)).body.timeout_ms, 2_500)
})

t.test('all that fit are repeated; a dry run counts them and does nothing', async (t) => {
  const ids = await Promise.all(Array.from({ length: 12 }, (_, n) => makeDead(`many ${n}`)))
  await stack.db.query(`update jobs set payload = jsonb_set(payload, '{data,action}', '"store"') where id = any($1)`, [
    ids.slice(1)
  ])
  await stack.db.query(`update jobs set payload = '{"form": "gone", "data": {}}' where id = $1`, [ids[0]])
  const filter = {
    type: 'probe',
    error_code: 'HANDLER_FAILED',
    created_after: new Date(Date.now() - 60_000).toISOString()
  }
  const dry = await api.post('/api/jobs/replay', { ...filter, dry_run: true })
  t.equal(dry.status, 200)
  const { matching } = dry.body
  t.ok(matching >= 12)
  t.match(dry.body, { replayed: 0, refused: [], refused_in_all: 0, next: null })
  t.equal(
    (await api.post('/api/jobs/replay', { ...filter, dry_run: true })).body.matching,
    matching,
    'nothing happened'
  )
  t.equal((await api.post('/api/jobs/replay', { ...filter, type: 'store-submission', dry_run: true })).body.matching, 0)
  t.equal((await api.post('/api/jobs/replay', filter)).status, 422, 'whether it is a dry run must be said')
  const wet = await api.post('/api/jobs/replay', { ...filter, dry_run: false })
  t.match(wet.body, { matching, replayed: matching - 1, refused: [{ id: ids[0], detail: /\/form/ }], next: null })
  t.equal(wet.body.refused_in_all, 1)
  const { rows } = await stack.db.query<{ id: string }>('select id from jobs where replay_of = any($1)', [ids])
  t.equal(rows.length, 11)
  const repeated = await settled(
    stack.db,
    rows.map(({ id }) => id)
  )
  t.ok(repeated.every(({ state }) => state === 'succeeded'))
  t.match((await api.post('/api/jobs/replay', { ...filter, dry_run: false })).body.replayed, Number)
  const twice = await stack.db.query(
    'select replay_of from jobs where replay_of is not null group by replay_of having count(*) > 1'
  )
  t.strictSame(twice.rows, [], 'none is repeated twice')
  await balanced(stack.db)
})

/** Jobs that are dead as if they had been run, all of one error. */
async function makeManyDead(code: string, markers: string[]): Promise<string[]> {
  const { body } = await api.post(
    '/api/jobs/probe/batch?run_at=2099-01-01T00:00:00Z',
    markers.map((marker) => probe({ marker }))
  )
  const ids = body.items.map(({ id }: { id: string }) => id)
  await stack.db.query(
    `update jobs set state = 'dead', finished_at = now(), error = jsonb_build_object('code', $2::text, 'detail', 'odd')
      where id = any($1)`,
    [ids, code]
  )
  return ids
}

t.test('those that cannot be repeated hide nobody: whoever goes on comes to all', async (t) => {
  const unfit = await makeManyDead('PAGED', Array(1_000).fill('unfit'))
  const [fit] = await makeManyDead('PAGED', ['fit'])
  await stack.db.query(`update jobs set payload = '{"form": "gone", "data": {}}' where id = any($1)`, [unfit])
  const ask = async (more: object) => (await api.post('/api/jobs/replay', { error_code: 'PAGED', ...more })).body
  t.equal((await ask({ dry_run: true })).matching, 1_001)
  const first = await ask({ dry_run: false })
  t.match(first, { matching: 1_001, replayed: 0, refused_in_all: 1_000, next: unfit.at(-1) })
  t.strictSame(
    first.refused.map(({ id }: { id: string }) => id),
    unfit.slice(0, 100)
  )
  t.equal((await ask({ dry_run: true, after: first.next })).matching, 1)
  const last = await ask({ dry_run: false, after: first.next })
  t.strictSame(last, { matching: 1, replayed: 1, refused: [], refused_in_all: 0, next: null })
  const { rows } = await stack.db.query('select id from jobs where replay_of = $1', [fit])
  t.match(await settled(stack.db, [rows[0]?.id]), [{ state: 'succeeded' }])
  t.equal((await api.post('/api/jobs/replay', { dry_run: true, after: 'x' })).status, 422)
})

t.test(
  'a page ends before the first job that there is no room for, and is refused when that is its first',
  async (t) => {
    const dead = await makeManyDead('NO_ROOM', ['one', 'two', 'three'])
    const strict = createApi(await stack.gateway({ OPEN_JOBS_PER_OWNER: '2' }))
    const open = await Promise.all([1, 2].map(() => strict.send({ marker: 'open' }, '?run_at=2099-01-01T00:00:00Z')))
    const ask = (after?: string) => strict.post('/api/jobs/replay', { error_code: 'NO_ROOM', dry_run: false, after })
    const refused = await ask()
    t.match(refused, {
      status: 429,
      body: { code: 'TOO_MANY_OPEN_JOBS', detail: /2 unfinished jobs, and 1 more would pass the limit of 2/ }
    })
    t.ok(Number(refused.headers.get('retry-after')) > 0)
    await stack.db.query(`update jobs set state = 'cancelled', finished_at = now() where id = any($1)`, [open])
    const until = (after?: string) =>
      eventually(async () => {
        const { status, body } = await ask(after)
        assert.equal(status, 200)
        return body
      })
    const first = await until()
    t.strictSame(first, { matching: 3, replayed: 2, refused: [], refused_in_all: 0, next: dead[1] })
    t.strictSame(await until(first.next), { matching: 1, replayed: 1, refused: [], refused_in_all: 0, next: null })
  }
)

t.test('the balance holds; an effect that is gone shows, of whichever type, and so does a job', async (t) => {
  const contact = { name: 'Ada', email: 'ada@example.org', message: 'hello', consent: true }
  const read = async () => (await api.get('/api/jobs/balance')).body
  const send = async (type: string, payload: object) => {
    const { status, headers } = await api.post(`/api/jobs/${type}`, payload)
    t.equal(status, 200)
    return headers.get('location')?.split('/').at(-1)
  }
  const submission = await send('store-submission', { form: 'contact', data: contact })
  const page = await send('parse-page', { document: '<title>Bees</title>' })
  const good = await read()
  t.match(good, {
    balanced: true,
    effects: [
      { type: 'store-submission', succeeded: 1, rows: 1 },
      { type: 'parse-page', succeeded: 1, rows: 1 }
    ]
  })
  t.equal(
    good.accepted,
    Object.values<number>(good.states).reduce((a, b) => a + b, 0)
  )

  await stack.db.query('create table page as select * from pages where id = $1', [page])
  await stack.db.query('delete from pages where id = $1', [page])
  t.match(await read(), { balanced: false, effects: [{ rows: 1 }, { succeeded: 1, rows: 0 }] })
  await stack.db.query('insert into pages select * from page')
  t.match(await read(), { balanced: true })

  await stack.db.query('delete from submissions where id = $1', [submission])
  t.match(await read(), { balanced: false, effects: [{ succeeded: 1, rows: 0 }] })
  await stack.db.query('delete from jobs where id = $1', [submission])
  const short = await read()
  t.equal(short.balanced, false)
  t.equal(short.accepted, good.accepted)
})

t.test('the age of the oldest waiting job is told for each queue', async (t) => {
  const later = await api.send({}, `?run_at=${new Date(Date.now() + 3_600_000).toISOString()}`)
  await stack.db.query(`insert into jobs (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, run_at)
    values (gen_random_uuid(), 'newer', 'elsewhere', '{}', 1, 1, 1000, 'x', now() - interval '5 minutes')`)
  const { queues } = (await api.get('/api/jobs/balance')).body
  const [queue] = queues.filter(({ queue }: { queue: string }) => queue === 'elsewhere')
  t.match(queue, { waiting: 1 })
  t.ok(queue.oldest_waits_s >= 300 && queue.oldest_waits_s < 400)
  t.match(await readJob(stack.db, later), { state: 'queued' })
  t.equal((await api.call('DELETE', `/api/jobs/${later}`)).status, 204)
})

import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { uuidv7 } from 'uuidv7'
import database from '#plugins/database'
import idempotency from '#plugins/idempotency'
import ledger from '#plugins/ledger'
import { defineJob } from '#schema/job'
import { buildRegistry } from '#schema/registry'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startPostgres } from '../helpers/services.js'
import { connect } from '../helpers/stack.js'

const postgres = await startPostgres(t)
const sql = connect(t, postgres.ownerUrl)

const job = (batch: number) =>
  defineJob({
    title: 'Work',
    queue: 'work',
    version: 1,
    payload: Type.Object({}, { additionalProperties: false }),
    result: Type.Null(),
    limits: { maxAttempts: 2, timeoutMs: 1_000, batch, concurrency: 1 }
  })
const registry = buildRegistry({ forms: {}, jobs: { short: job(3), long: job(1) } })

/** The plugin on real Postgres, and a queue that notes what is pushed. Every test starts with an empty ledger. */
async function createLedger(
  t: Test,
  {
    ready = true,
    living = true,
    ...limits
  }: { ready?: boolean; living?: boolean; openPerOwner?: number; openInAll?: number; watchLoad?: boolean } = {}
) {
  await sql('truncate jobs, job_attempts, accept_counts, idempotency_keys cascade')
  const pushed: { queue: string; id: string; ids: string[] }[] = []
  const app = createApp(t)
  app.register(database, { url: postgres.url, onUnfit: (error) => t.fail(error) })
  app.register(idempotency, {})
  app.decorate('queue', {
    isReady: () => ready,
    push: async (queue: string, deliveries: { id: string; ids: string[] }[]) =>
      void pushed.push(...deliveries.map((one) => ({ queue, ...one }))),
    countWaiting: async () => 0,
    findLiving: async (_queue: string, ids: string[]) => new Set(living ? ids : []),
    onLoss: () => {}
  } as never) // only what the ledger asks of the queue
  app.register(ledger, { registry, ...limits })
  await app.ready()
  const accept = (type = 'short', submitter = 'ip:a') => app.ledger.accept({ type, payload: {}, submitter })
  /** Claims jobs in the deliveries that carry them. */
  const claim = async (ids: string[]) => {
    const carried = await sql<{ id: string; ids: string[] }>(
      'select delivery_id as id, array_agg(id::text) as ids from jobs where id = any($1) group by delivery_id',
      [ids]
    )
    return (await Promise.all(carried.map((delivery) => app.ledger.claim(delivery)))).flat()
  }
  return { app, ledger: app.ledger, pushed, accept, claim }
}

const read = async (id: string) => (await sql('select * from jobs where id = $1', [id]))[0] ?? {}
const change = (id: string, what: string) => sql(`update jobs set ${what} where id = $1`, [id])
const attempts = (id: string) =>
  sql('select attempt, outcome from job_attempts where job_id = $1 order by attempt', [id])

t.test('B20 it stands on database, idempotency and queue, and a missing one stops the start by name', async (t) => {
  const bare = createApp(t)
  bare.register(ledger, { registry })
  await t.rejects(async () => void (await bare.ready()), { message: /decorator 'pg'.*required by 'ledger'/ })
})

t.test('rule 1: an accepted job is a row before the answer, queued, with the limits of its type', async (t) => {
  const { accept } = await createLedger(t)
  const { id } = await accept()
  t.match(await read(id), {
    state: 'queued',
    type: 'short',
    queue: 'work',
    attempts: 0,
    max_attempts: 2,
    timeout_ms: 1_000,
    version: 1
  })
})

t.test('rule 2: those that are accepted together travel together, cut to the batch of their type', async (t) => {
  const { accept, pushed } = await createLedger(t)
  const first = await accept()
  const accepted = await Promise.all([...Array(8).fill('short'), ...Array(2).fill('long')].map((type) => accept(type)))
  t.equal(accepted.length, 10)
  t.strictSame(pushed[0]?.ids, [first.id], 'one alone goes at once')
  // the first of the ten is under way when the others come
  t.strictSame(
    pushed
      .slice(1)
      .map(({ ids }) => ids.length)
      .sort(),
    [1, 1, 1, 1, 3, 3]
  )
  t.equal(new Set(pushed.flatMap(({ ids }) => ids)).size, 11, 'each travels once')
  for (const { id, ids } of pushed) for (const job of ids) t.match(await read(job), { delivery_id: id })
})

t.test('rule 2: while Redis is away jobs are accepted all the same, and left to the relay', async (t) => {
  const { accept, pushed } = await createLedger(t, { ready: false })
  const { id } = await accept()
  t.match(await read(id), { state: 'queued', delivery_id: null })
  t.strictSame(pushed, [])
})

t.test('rule 3: a claim counts the attempt and takes only what is queued, due and not expired', async (t) => {
  const { accept, claim } = await createLedger(t)
  const { id } = await accept()
  const [claimed, ...more] = await claim([id, uuidv7()])
  t.strictSame(more, [])
  t.match(claimed, { id, type: 'short', attempts: 1, maxAttempts: 2, token: /^[0-9a-f-]{36}$/ })
  t.match(await read(id), { state: 'active', attempts: 1, version: 2, lease_token: claimed?.token })
  t.strictSame(await claim([id]), [], 'an active one is not taken twice')

  for (const what of [
    "state = 'succeeded'",
    "state = 'cancelled'",
    "state = 'dead'",
    "state = 'expired'",
    "run_at = now() + interval '1 minute'",
    "expires_at = now() - interval '1 second'",
    'attempts = 2'
  ]) {
    const { id } = await accept()
    await change(id, what)
    t.strictSame(await claim([id]), [], what)
  }
})

t.test('rule 3: a delivery that the relay gave up finds its jobs gone to another', async (t) => {
  const { accept, ledger, pushed } = await createLedger(t)
  const { id } = await accept()
  await change(id, "delivery_id = '01940000-0000-7000-8000-000000000000'")
  const [old] = pushed
  t.strictSame(await ledger.claim({ id: old?.id ?? '', ids: [id] }), [])
  t.strictSame((await ledger.claim({ id: '01940000-0000-7000-8000-000000000000', ids: [id] })).length, 1)
})

t.test('rule 3: of many that claim the same jobs at once, each job goes to one', async (t) => {
  const { accept, claim } = await createLedger(t)
  const ids = (await Promise.all(Array.from({ length: 20 }, () => accept()))).map(({ id }) => id)
  const claims = await Promise.all(Array.from({ length: 20 }, () => claim(ids)))
  t.strictSame(
    claims
      .flat()
      .map(({ id }) => id)
      .sort(),
    [...ids].sort()
  )
  t.strictSame(
    [...new Set((await sql<{ attempts: number }>('select attempts from jobs')).map((row) => row.attempts))],
    [1]
  )
})

t.test('rule 5: a finish needs the lease; what was taken over or cancelled gets no effect', async (t) => {
  const { accept, ledger, claim } = await createLedger(t)
  const effects: string[] = []
  ledger.storeWith('short', async (_tx, jobs) => void effects.push(...jobs.map(({ id }) => id)))
  const ids = (await Promise.all([accept(), accept(), accept()])).map(({ id }) => id)
  const claimed = await claim(ids)
  await change(ids[1] ?? '', "state = 'cancelled'")
  await change(ids[2] ?? '', "lease_token = '01940000-0000-7000-8000-000000000000'")
  const ours = await Promise.all(
    ids.map((id) => {
      const job = claimed.find((one) => one.id === id)
      if (!job) throw new Error('not claimed')
      return ledger.finish({ job, outcome: 'done', result: null })
    })
  )
  t.strictSame(ours, [true, false, false])
  t.strictSame(effects, [ids[0]])
  t.match(await read(ids[0] ?? ''), { state: 'succeeded', lease_token: null, progress: 100, error: null })
  t.match(await read(ids[1] ?? ''), { state: 'cancelled' })
  t.match(await read(ids[2] ?? ''), { state: 'active' })
})

t.test('rule 5: an effect that fails takes its finish back', async (t) => {
  const { accept, ledger, claim } = await createLedger(t)
  ledger.storeWith('short', async (tx) => void (await tx.query('insert into nowhere values (1)')))
  const [job] = await claim([(await accept()).id])
  if (!job) throw new Error('not claimed')
  await t.rejects(ledger.finish({ job, outcome: 'done', result: null }), { code: '42P01' })
  t.match(await read(job.id), { state: 'active' })
})

t.test('a failed attempt is noted; the job comes again later, and after its last attempt is dead', async (t) => {
  const { accept, ledger, claim } = await createLedger(t)
  const { id } = await accept()
  const fail = async () => {
    const [job] = await claim([id])
    if (!job) throw new Error('not claimed')
    return ledger.finish({ job, outcome: 'failed', error: { code: 'ODD', detail: 'odd' }, retryInMs: 60_000 })
  }
  t.equal(await fail(), true)
  const row = await read(id)
  t.match(row, { state: 'queued', attempts: 1, delivery_id: null, error: { code: 'ODD', detail: 'odd' } })
  t.ok(Number(row.run_at) - Date.now() > 50_000, 'not before its pause')
  await change(id, 'run_at = now(), delivery_id = id')
  t.equal(await fail(), true)
  t.match(await read(id), { state: 'dead', attempts: 2, finished_at: Date })
  t.strictSame(
    await attempts(id),
    [1, 2].map((attempt) => ({ attempt, outcome: 'failed' }))
  )
})

t.test('who gives up is dead at once; what is given back has its attempt back', async (t) => {
  const { accept, ledger, claim } = await createLedger(t)
  const ids = (await Promise.all([accept(), accept(), accept()])).map(({ id }) => id)
  const [one, two, three] = await claim(ids)
  if (!one || !two || !three) throw new Error('not claimed')
  const error = { code: 'ODD', detail: 'odd' }
  await ledger.finish({ job: one, outcome: 'gave_up', error })
  await ledger.finish({ job: two, outcome: 'schema_mismatch', error })
  await ledger.finish({ job: three, outcome: 'released', delayMs: 30_000 })
  t.match(await read(one.id), { state: 'dead', attempts: 1 })
  t.match(await read(two.id), { state: 'dead', error })
  const released = await read(three.id)
  t.match(released, { state: 'queued', attempts: 0, delivery_id: null })
  t.ok(Number(released.run_at) - Date.now() > 20_000)
  t.strictSame(await attempts(three.id), [])
})

t.test('rule 6: a renewal keeps what is ours, notes progress, and names what is lost', async (t) => {
  const { accept, ledger, claim } = await createLedger(t)
  const ids = (await Promise.all([accept(), accept(), accept()])).map(({ id }) => id)
  const [mine, cancelled, taken] = await claim(ids)
  if (!mine || !cancelled || !taken) throw new Error('not claimed')
  await sql("update jobs set lease_until = now() + interval '1 second'")
  await change(cancelled.id, "state = 'cancelled'")
  await change(taken.id, "lease_token = '01940000-0000-7000-8000-000000000000'")
  const lost = await ledger.renew([mine, cancelled, taken].map(({ id, token }) => ({ id, token, progress: 50 })))
  t.strictSame(
    new Map(lost.map(({ id, state }) => [id, state])),
    new Map([
      [cancelled.id, 'cancelled'],
      [taken.id, 'active']
    ])
  )
  const row = await read(mine.id)
  t.match(row, { progress: 50 })
  t.ok(Number(row.lease_until) - Date.now() > 4_000)
})

t.test(
  'rule 7: the relay brings what is due, oldest first, what failed before alone, and suspects apart',
  async (t) => {
    const { accept, ledger, pushed } = await createLedger(t, { ready: true })
    const ids = (await Promise.all(Array.from({ length: 7 }, () => accept()))).map(({ id }) => id)
    const [later = '', tried = '', suspect = '', ...fresh] = ids
    await sql('update jobs set delivery_id = null, delivered_at = null')
    await change(later, "run_at = now() + interval '1 hour'")
    await change(tried, 'attempts = 1')
    await change(suspect, 'attempts = 1, suspect = true')
    for (const [i, id] of fresh.entries()) await change(id, `run_at = now() - interval '${10 - i} minutes'`)
    pushed.length = 0
    ledger.relay.start()
    await eventually(() => assert.ok(pushed.length >= 4))
    await ledger.relay.stop()
    const brought = pushed.map(({ queue, ids }) => ({ queue, ids }))
    t.strictSame(
      brought.find(({ ids }) => ids.includes(fresh[0] ?? '')),
      { queue: 'work', ids: fresh.slice(0, 3) }
    )
    t.strictSame(
      brought.find(({ ids }) => ids.includes(fresh[3] ?? '')),
      { queue: 'work', ids: fresh.slice(3) }
    )
    t.ok(brought.some(({ queue, ids }) => queue === 'work' && ids.length === 1 && ids[0] === tried))
    t.ok(brought.some(({ queue, ids }) => queue === 'suspects' && ids.length === 1 && ids[0] === suspect))
    t.notOk(
      brought.some(({ ids }) => ids.includes(later)),
      'what is not due waits'
    )
    t.equal(new Set(pushed.map(({ id }) => id)).size, pushed.length, 'never a used delivery id')
    for (const { id, ids } of pushed) for (const job of ids) t.match(await read(job), { delivery_id: id })
  }
)

t.test('rule 7: what Redis lost is brought again; what it holds is left alone', async (t) => {
  const held = await createLedger(t)
  const { id } = await held.accept()
  await change(id, "delivered_at = now() - interval '5 seconds'")
  held.ledger.relay.start()
  await eventually(async () =>
    assert.ok((await sql('select 1 from pg_stat_activity where query like $1', ['%advisory%'])).length)
  )
  await held.ledger.relay.stop()
  t.equal(held.pushed.length, 1, 'it is living')

  const lost = await createLedger(t, { living: false })
  const second = await lost.accept()
  await change(second.id, "delivered_at = now() - interval '5 seconds'")
  lost.ledger.relay.start()
  await eventually(() => assert.equal(lost.pushed.length, 2))
  await lost.ledger.relay.stop()
  t.not(lost.pushed[1]?.id, lost.pushed[0]?.id, 'under a new delivery id')
})

t.test('rule 7: the relay expires what waited too long, and takes back what runs beyond its lease', async (t) => {
  const { accept, ledger, claim } = await createLedger(t)
  const [waited, lapsed, hopeless] = await Promise.all([accept(), accept(), accept()])
  await change(waited.id, "expires_at = now() - interval '1 second'")
  await claim([lapsed.id, hopeless.id])
  await sql("update jobs set lease_until = now() - interval '1 second' where state = 'active'")
  await change(hopeless.id, 'attempts = 2')
  ledger.relay.start()
  await eventually(async () => assert.equal((await read(hopeless.id)).state, 'dead'))
  await ledger.relay.stop()
  t.match(await read(waited.id), { state: 'expired', finished_at: Date })
  t.match(await read(lapsed.id), { state: 'queued', suspect: true, attempts: 1, error: { code: 'CONSUMER_LOST' } })
  t.match(await read(hopeless.id), { state: 'dead', error: { code: 'CONSUMER_LOST' } })
  t.strictSame(await attempts(hopeless.id), [{ attempt: 2, outcome: 'lapsed' }])
})

t.test(
  'rule 10: beyond its open jobs an owner is 429, beyond all of them everybody 503, before the commit',
  async (t) => {
    const { accept } = await createLedger(t, { openPerOwner: 3, openInAll: 5, watchLoad: true })
    const told = await Promise.allSettled(Array.from({ length: 5 }, () => accept()))
    const refused = told.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    t.match(
      refused,
      [1, 2].map(() => ({ statusCode: 429, code: 'TOO_MANY_OPEN_JOBS', retryAfter: Number }))
    )
    await Promise.all([accept('short', 'ip:b'), accept('short', 'ip:b')])
    // the ledger is counted once a second, so that a few more may come through before it is noticed
    const full = { statusCode: 503, code: 'QUEUE_FULL', retryAfter: 5 }
    await eventually(() => assert.rejects(accept('short', 'ip:c'), full))
    const count = async () => (await sql('select 1 from jobs')).length
    const before = await count()
    await t.rejects(accept('short', 'ip:d'), full)
    t.equal(await count(), before, 'what is refused is not stored')

    await sql("update jobs set state = 'succeeded' where submitter = 'ip:a'")
    await eventually(() => accept('short', 'ip:a'))
  }
)

t.test('rule 11: what was accepted is counted in the same commit', async (t) => {
  const { accept } = await createLedger(t)
  const failing = accept('short', 'a\0b').catch((error) => error) // no commit: no count
  await Promise.all(Array.from({ length: 30 }, () => accept()))
  t.match(await failing, { code: /^22/ })
  const balance =
    'select (select count(*)::int from jobs) as jobs, (select sum(jobs)::int from accept_counts) as accepted'
  t.strictSame(await sql(balance), [{ jobs: 30, accepted: 30 }])
})

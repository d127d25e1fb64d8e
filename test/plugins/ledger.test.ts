import t from 'tap'
import { uuidv7 } from 'uuidv7'
import ledger from '#plugins/ledger'
import { createApp } from '../helpers/app.js'
import { createLedger, registry } from '../helpers/ledger-app.js'
import { startPostgres } from '../helpers/services.js'

const postgres = await startPostgres(t)

t.test('B20 it stands on database, idempotency and queue, and a missing one stops the start by name', async (t) => {
  const bare = createApp(t)
  bare.register(ledger, { registry })
  await t.rejects(async () => void (await bare.ready()), { message: /decorator 'pg'.*required by 'ledger'/ })
})

t.test('rule 1: an accepted job is a row before the answer, queued, with the limits of its type', async (t) => {
  const { accept, read } = await createLedger(t, postgres)
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

t.test(
  'rule 1: jobs that are awaited are accepted, and travel, about half of them at a time; a lone one at once',
  async (t) => {
    const { ledger, pushed } = await createLedger(t, postgres)
    const accept = (awaited?: number) =>
      ledger.accept({ type: 'short', payload: {}, submitter: 'ip:a', ...(awaited !== undefined && { awaited }) })
    const carried = async (...jobs: ReturnType<typeof accept>[]) => {
      await Promise.all(jobs)
      return pushed.splice(0).map(({ ids }) => ids.length)
    }
    t.strictSame(await carried(accept(6), accept(6), accept(6)), [3])
    t.strictSame(await carried(accept(1)), [1])
    t.strictSame(await carried(accept(1_000)), [1], 'nobody waits long for others')
    t.strictSame(await carried(accept(), accept(), accept()), [1, 2], 'who is not awaited begins by itself')
  }
)

t.test('rule 3: a claim counts the attempt and takes only what is queued, due and not expired', async (t) => {
  const { accept, claim, read, change } = await createLedger(t, postgres)
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
  const { ledger, pushed, accept, change } = await createLedger(t, postgres)
  const { id } = await accept()
  await change(id, "delivery_id = '01940000-0000-7000-8000-000000000000'")
  const [old] = pushed
  t.strictSame(await ledger.claim({ id: old?.id ?? '', ids: [id] }), [])
  t.strictSame((await ledger.claim({ id: '01940000-0000-7000-8000-000000000000', ids: [id] })).length, 1)
})

t.test('rule 3: of many that claim the same jobs at once, each job goes to one', async (t) => {
  const { accept, claim, sql } = await createLedger(t, postgres)
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
  const { ledger, accept, claim, read, change } = await createLedger(t, postgres)
  const effects: string[] = []
  ledger.storeWith('short', (jobs) => {
    effects.push(...jobs.map(({ id }) => id))
    return { text: 'select' }
  })
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
  t.match(await read(ids[0] ?? ''), { state: 'succeeded', progress: 100, error: null })
  t.match(await read(ids[1] ?? ''), { state: 'cancelled' })
  t.match(await read(ids[2] ?? ''), { state: 'active' })
})

for (const [what, text, values, error] of [
  ['Postgres refuses', 'insert into nowhere values (1)', [], { code: '42P01' }],
  ['cannot be sent', 'select $1', [{ n: 1n }], { name: 'TypeError' }]
] as const) {
  t.test(`rule 5: an effect that ${what} takes its finish back`, async (t) => {
    const { ledger, accept, claim, read } = await createLedger(t, postgres)
    ledger.storeWith('short', () => ({ text, values: [...values] }))
    const [job] = await claim([(await accept()).id])
    if (!job) throw new Error('not claimed')
    await t.rejects(ledger.finish({ job, outcome: 'done', result: null }), error)
    t.equal(await ledger.finish({ job, outcome: 'released', delayMs: 0 }), true, 'it is held still')
    t.match(await read(job.id), { state: 'queued', attempts: 0 })
  })
}

t.test('a failed attempt is noted; the job comes again later, and after its last attempt is dead', async (t) => {
  const { ledger, accept, claim, read, change, attempts } = await createLedger(t, postgres)
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
  const { ledger, accept, claim, read, attempts } = await createLedger(t, postgres)
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
  const { ledger, sql, accept, claim, read, change } = await createLedger(t, postgres)
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

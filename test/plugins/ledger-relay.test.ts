import assert from 'node:assert/strict'
import t from 'tap'
import { expireJobs, moveWaiting } from '../../plugins/ledger/queries/relay.js'
import { eventually } from '../helpers/eventually.js'
import { createLedger } from '../helpers/ledger-app.js'
import { startPostgres } from '../helpers/services.js'

/** What Redis says of a key that is broken. */
const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

const postgres = await startPostgres(t)

t.test('rule 2: those that are accepted together travel together, cut to the batch of their type', async (t) => {
  const { pushed, accept, read } = await createLedger(t, postgres)
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
  const { pushed, accept, read } = await createLedger(t, postgres, { ready: false })
  const { id } = await accept()
  t.match(await read(id), { state: 'queued', delivery_id: null })
  t.strictSame(pushed, [])
})

t.test('rule 7: what the relay brings together is no more than a consumer can hold', async (t) => {
  const { ledger, pushed, accept, sql } = await createLedger(t, postgres)
  const relay = async (payload: string) => {
    const ids = (await Promise.all([accept(), accept(), accept()])).map(({ id }) => id)
    await sql(`update jobs set delivery_id = null, payload = ${payload} where id = any($1)`, [ids])
    pushed.length = 0
    ledger.relay.start()
    await eventually(() => assert.equal(pushed.flatMap(({ ids }) => ids).length, 3))
    await ledger.relay.stop()
    return pushed.map(({ ids }) => ids.length).sort()
  }
  t.strictSame(await relay(`'{}'`), [3])
  const hard = `(select jsonb_build_object('text', string_agg(md5(random()::text), '')) from generate_series(1, 900))`
  t.strictSame(await relay(hard), [1, 2], 'payloads of 29 kB')
  const soft = `(select jsonb_build_object('text', repeat(md5(random()::text), 100000)))`
  t.strictSame(await relay(soft), [1, 1, 1], 'payloads of 3 MB that are stored in 40 kB')
})

t.test('rule 7: a queue whose keys in Redis are broken holds up no other, nor what lapsed', async (t) => {
  const { app, ledger, pushed, accept, change, read } = await createLedger(t, postgres)
  const [{ id: broken }, { id: sound }, { id: lapsed }] = [await accept('other'), await accept(), await accept()]
  for (const id of [broken, sound]) await change(id, 'delivery_id = null')
  await change(lapsed, "state = 'active', attempts = 2, lease_until = now() - interval '1 s'")
  pushed.length = 0
  app.queue.countWaiting = async (queue) => {
    if (queue === 'other') throw new Error(WRONG_TYPE)
    return 0
  }
  ledger.relay.start()
  await eventually(() => assert.deepEqual(pushed.at(-1)?.ids, [sound]))
  await eventually(async () => assert.equal((await read(lapsed)).state, 'dead'))
  await ledger.relay.stop()
  t.match(await read(broken), { state: 'queued', delivery_id: null })
})

t.test('rule 7: suspects without room in Redis, or with broken keys there, hold up no other job', async (t) => {
  const { app, ledger, sql, pushed, accept, change } = await createLedger(t, postgres)
  await sql(
    `insert into jobs (id, type, queue, payload, schema_version, attempts, max_attempts, timeout_ms, submitter, run_at, suspect)
     select gen_random_uuid(), 'short', 'work', '{}', 1, 1, 2, 1000, 'ip:a', now() - interval '1 min', true
       from generate_series(1, 5003)`
  )
  const suspects = () => pushed.filter(({ queue }) => queue === 'suspects')
  /** Accepts a job that is no suspect, and waits until the relay has brought it. */
  const bringAnother = async () => {
    const { id } = await accept()
    await change(id, 'delivery_id = null')
    const trips = () => pushed.filter(({ ids }) => ids.includes(id))
    await eventually(() => assert.equal(trips().length, 2)) // the first was its accept's
  }
  app.queue.countWaiting = async (queue) => (queue === 'suspects' ? 998 + suspects().length : 0)
  ledger.relay.start()
  await eventually(() => assert.ok(suspects().length))
  for (let n = 0; n < 2; n++) await bringAnother()
  t.equal(suspects().length, 2, 'as many as there is room for')

  app.queue.countWaiting = async (queue) => {
    if (queue === 'suspects') throw new Error(WRONG_TYPE)
    return 0
  }
  await bringAnother()
  t.equal(suspects().length, 2)

  app.queue.countWaiting = async (queue) => (queue === 'suspects' ? 997 : 0) // as while they are being taken
  await eventually(() => assert.ok(suspects().length > 2))
  await bringAnother()
  await ledger.relay.stop()
})

t.test('rule 7: the suspects of all queues share one room in Redis, asked for once a turn', async (t) => {
  const { app, ledger, sql, pushed } = await createLedger(t, postgres)
  await sql(
    `insert into jobs (id, type, queue, payload, schema_version, attempts, max_attempts, timeout_ms, submitter, suspect)
     select gen_random_uuid(), 'short', queue, '{}', 1, 1, 2, 1000, 'ip:a', true
       from generate_series(1, 500), unnest(array['other', 'work']) as queue`
  )
  let asked: string[] = []
  const count = (queue: string) => asked.filter((name) => name === queue).length
  /** Relays for some turns, in which Redis answers so when it is asked how many suspects wait there; answers how many turns. */
  const relay = async (countSuspects: () => number) => {
    asked = []
    app.queue.countWaiting = async (queue) => {
      asked.push(queue)
      return queue === 'suspects' ? countSuspects() : 0
    }
    ledger.relay.start()
    await eventually(() => assert.ok(count('work') >= 2))
    await ledger.relay.stop()
    return count('work')
  }
  const brokenTurns = await relay(() => {
    throw new Error(WRONG_TYPE)
  })
  t.equal(count('suspects'), brokenTurns)
  t.strictSame(pushed, [])
  const turns = await relay(() => 998)
  t.equal(pushed.length, 2 * turns)
  const sent = await sql('select distinct queue from jobs where delivery_id is not null order by queue')
  t.strictSame(sent, [{ queue: 'other' }, { queue: 'work' }], 'and take turns')
})

t.test('rule 2: suspects that wait in Postgres send no other job by the relay', async (t) => {
  const { sql, accept, read, change } = await createLedger(t, postgres, { watchLoad: true })
  const old = await accept()
  await change(old.id, "delivery_id = null, run_at = now() - interval '1 min'")
  const acceptUntil = (isDelivered: boolean) =>
    eventually(async () => {
      const { id } = await accept()
      const { delivery_id } = await read(id)
      await sql("update jobs set state = 'succeeded' where id = $1", [id])
      assert.equal(delivery_id !== null, isDelivered)
    })
  await acceptUntil(false)
  await change(old.id, 'attempts = 1, suspect = true')
  await acceptUntil(true)
})

t.test('rule 7: what Redis lost is brought again; what it holds is left alone', async (t) => {
  const held = await createLedger(t, postgres)
  const { id } = await held.accept()
  await held.change(id, "delivered_at = now() - interval '5 seconds'")
  held.ledger.relay.start()
  await eventually(async () =>
    assert.ok((await held.sql('select 1 from pg_stat_activity where query like $1', ['%advisory%'])).length)
  )
  await held.ledger.relay.stop()
  t.equal(held.pushed.length, 1, 'it is living')

  const lost = await createLedger(t, postgres, { living: false })
  const second = await lost.accept()
  await lost.change(second.id, "delivered_at = now() - interval '5 seconds'")
  lost.ledger.relay.start()
  await eventually(() => assert.equal(lost.pushed.length, 2))
  await lost.ledger.relay.stop()
  t.not(lost.pushed[1]?.id, lost.pushed[0]?.id, 'under a new delivery id')
})

t.test('rule 7: what Redis lost is brought again, also while the keys of the suspects are broken there', async (t) => {
  const { app, ledger, pushed, accept, change } = await createLedger(t, postgres)
  const [suspect, lost] = [await accept(), await accept()]
  // the first that is looked for
  await change(suspect.id, "suspect = true, delivery_id = '00000000-0000-7000-8000-000000000000'")
  for (const { id } of [suspect, lost]) await change(id, "delivered_at = now() - interval '5 seconds'")
  pushed.length = 0
  app.queue.findLiving = async (queue) => {
    if (queue === 'suspects') throw new Error(WRONG_TYPE)
    return new Set()
  }
  ledger.relay.start()
  await eventually(() => assert.deepEqual(pushed[0]?.ids, [lost.id]))
  await ledger.relay.stop()
})

t.test('rule 7: the relay expires what waited too long, and takes back what runs beyond its lease', async (t) => {
  const { ledger, sql, accept, claim, read, change, attempts } = await createLedger(t, postgres)
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

t.test('rule 7: what waits in a queue that was renamed moves to the queue of its type; other types stay', async (t) => {
  const { ledger, pushed, accept, read, change } = await createLedger(t, postgres)
  const [renamed, recent, foreign] = await Promise.all([accept(), accept(), accept()])
  await change(
    renamed.id,
    "queue = 'before', delivered_at = now() - interval '2 min', run_at = now() - interval '2 min'"
  )
  await change(recent.id, "queue = 'before'") // whoever serves that queue may still take it
  await change(
    foreign.id,
    "queue = 'another', type = 'newer', delivered_at = now() - interval '2 min', run_at = now() - interval '2 min'"
  )
  pushed.length = 0
  ledger.relay.start()
  await eventually(() =>
    assert.deepEqual(
      pushed.flatMap(({ queue, ids }) => [queue, ...ids]),
      ['work', renamed.id]
    )
  )
  await ledger.relay.stop()
  t.match(await read(renamed.id), { queue: 'work', state: 'queued', version: 2 })
  t.match(await read(recent.id), { queue: 'before', state: 'queued' })
  t.match(await read(foreign.id), { queue: 'another', state: 'queued' })
})

t.test('rule 7: one turn expires, and moves, 5,000 rows at the most; the next ones go on', async (t) => {
  const { app, sql } = await createLedger(t, postgres)
  const insert = (queue: string, expiresAt: string | null) =>
    sql(
      `insert into jobs (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter, run_at, expires_at)
       select gen_random_uuid(), 'short', $1, '{}', 1, 2, 1000, 'ip:a', now() - interval '2 min', $2::timestamptz
         from generate_series(1, 5003)`,
      [queue, expiresAt]
    )
  await Promise.all([insert('work', '2020-01-01'), insert('before', null)])
  const client = await app.pg.connect()
  t.teardown(() => client.release())
  const countExpired = async () => (await sql("select 1 from jobs where state = 'expired'")).length
  for (const expired of [5_000, 5_003, 5_003]) {
    await expireJobs(client)
    t.equal(await countExpired(), expired)
  }
  for (const moved of [5_000, 3, 0]) t.equal(await moveWaiting(client, 'before', { short: 'work' }), moved)
})

t.test('rule 7: a delivery that Redis lost while it is being stored keeps no other from coming again', async (t) => {
  const { app, ledger, pushed, accept, change } = await createLedger(t, postgres, { living: false })
  const [stored, other] = [await accept(), await accept()]
  for (const { id } of [stored, other]) await change(id, "delivered_at = now() - interval '5 seconds'")
  const storing = await app.pg.connect()
  t.teardown(() => storing.release(true))
  await storing.query('begin')
  await storing.query('select from jobs where id = $1 for update', [stored.id])
  pushed.length = 0
  ledger.relay.start()
  const [first] = await eventually(() => {
    assert.ok(pushed.length)
    return pushed
  })
  t.strictSame(first?.ids, [other.id])
  await storing.query('rollback')
  await ledger.relay.stop()
})

t.test('rule 11: what was accepted is counted in the same commit', async (t) => {
  const { sql, accept } = await createLedger(t, postgres)
  const failing = accept('short', 'a\0b').catch((error) => error) // no commit: no count
  await Promise.all(Array.from({ length: 30 }, () => accept()))
  t.match(await failing, { code: /^22/ })
  const balance =
    'select (select count(*)::int from jobs) as jobs, (select sum(jobs)::int from accept_counts) as accepted'
  t.strictSame(await sql(balance), [{ jobs: 30, accepted: 30 }])
})

t.test(
  'rule 7: the relay brings what is due, oldest first, what failed before alone, and suspects apart',
  async (t) => {
    const { ledger, sql, pushed, accept, read, change } = await createLedger(t, postgres, { ready: true })
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

t.test(
  'rule 10: beyond its open jobs an owner is 429, beyond all of them everybody 503, before the commit',
  async (t) => {
    const { sql, accept } = await createLedger(t, postgres, { openPerOwner: 3, openInAll: 5, watchLoad: true })
    const told = await Promise.allSettled(Array.from({ length: 5 }, () => accept()))
    const refused = told.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    t.match(
      refused,
      [1, 2].map(() => ({ statusCode: 429, code: 'TOO_MANY_OPEN_JOBS', retryAfter: Number }))
    )
    await Promise.all([accept('short', 'ip:b'), accept('short', 'ip:b')])
    // the ledger is counted once a second, so that a few more may come through before it is noticed
    const full = { statusCode: 503, code: 'QUEUE_FULL', retryAfter: 5 }
    let strangers = 0
    await eventually(() => assert.rejects(accept('short', `ip:c${strangers++}`), full))
    const count = async () => (await sql('select 1 from jobs')).length
    const before = await count()
    await t.rejects(accept('short', 'ip:d'), full)
    t.equal(await count(), before, 'what is refused is not stored')

    await sql("update jobs set state = 'succeeded'")
    await eventually(() => accept('short', 'ip:a'))
  }
)

/** Writers that share a commit do not share their faults; what is too much is refused before it is written (design rules 1, 7, 10). */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, balanced, readJobs, settled, startFaultStack, submit } from '../helpers/fault-stack.js'

const stack = await startFaultStack(t)
const { db } = stack
const [gateway, second] = await Promise.all([stack.gateway(), stack.gateway()])

/** What a check constraint of the database refuses, whatever our own checks say. */
const refuseBad = (table: string, column: string) =>
  db.query(`alter table ${table} add constraint no_bad check (${column} not like '%spoilt%') not valid`)

for (const mode of ['async', 'sync'] as const) {
  t.test(`one bad row in a shared ${mode} commit fails alone`, async (t) => {
    await (mode === 'async' ? refuseBad('jobs', 'payload::text') : refuseBad('submissions', 'data::text'))
    const markers = Array.from({ length: 40 }, (_, n) => (n % 10 === 3 ? `spoilt ${n}` : `sound ${n}`))
    const answers = await Promise.all(
      markers.map((marker, n) =>
        submit(gateway, { form: 'contact', mode, marker, ...(n % 2 && { key: `${mode}-${n}` }) })
      )
    )
    for (const [n, { status, id }] of answers.entries()) {
      const isBad = markers[n]?.startsWith('spoilt')
      t.equal(status < 300, !isBad, `${markers[n]}: ${status}`)
      const table = mode === 'async' ? 'jobs' : 'submissions'
      const { rows } = await db.query(`select id from ${table} where id = $1`, [
        id || '00000000-0000-7000-8000-000000000000'
      ])
      t.equal(rows.length, isBad ? 0 : 1)
    }
    await balanced(db)
    await db.query(`alter table ${mode === 'async' ? 'jobs' : 'submissions'} drop constraint no_bad`)
  })
}

t.test('two gateways with overlapping keys never deadlock, and each key has one row', async (t) => {
  const keys = Array.from({ length: 40 }, (_, n) => `shared-${n}`)
  for (let round = 0; round < 5; round++) {
    const send = (to: typeof gateway, order: string[]) =>
      Promise.all(order.map((key) => submit(to, { marker: key, key: `${round}-${key}` })))
    const [here, there] = await Promise.all([send(gateway, keys), send(second, [...keys].reverse())])
    for (const [n, answer] of here.entries()) {
      const twin = there[keys.length - 1 - n]
      assert.equal(answer.status, 202)
      assert.deepEqual({ status: twin?.status, id: twin?.id }, { status: 202, id: answer.id })
      assert.notEqual(answer.replayed, twin?.replayed, 'one of the two was first')
    }
  }
  const { rows } = await db.query(
    `select count(*)::int as jobs from jobs where payload->'data'->>'marker' like 'shared-%'`
  )
  t.strictSame(rows, [{ jobs: 200 }])
  const logs = [...gateway.lines, ...second.lines].filter((line) => line.includes('deadlock'))
  t.strictSame(logs, [])
  await balanced(db)
})

t.test('who has too many open jobs is refused before the commit, and taken again when they are done', async (t) => {
  const strict = await stack.gateway({ OPEN_JOBS_PER_OWNER: '300' })
  const before = (await db.query('select count(*)::int as jobs from jobs')).rows[0].jobs
  const answers = await Promise.all(
    Array.from({ length: 150 }, (_, n) => submit(strict, { marker: `many ${n}`, key: `many-${n}` }))
  )
  const refused = answers.filter(({ status }) => status === 429)
  t.ok(refused.length > 0)
  for (const answer of refused) t.match(answer, { code: 'TOO_MANY_OPEN_JOBS', retryAfter: /^\d+$/ })
  const accepted = answers.filter(({ status }) => status === 202)
  t.equal(accepted.length + refused.length, 150)
  const { rows } = await db.query('select count(*)::int as jobs from jobs')
  t.equal(rows[0].jobs, before + accepted.length, 'what was refused was not written')

  const full = await stack.gateway({ OPEN_JOBS: '100' })
  await eventually(async () => {
    const { status, code, retryAfter } = await submit(full, { marker: 'no room' })
    assert.deepEqual({ status, code }, { status: 503, code: 'QUEUE_FULL' })
    assert.ok(Number(retryAfter) > 0)
  })

  const consumers = await Promise.all([stack.consumer(), stack.consumer()])
  await settled(
    db,
    accepted.map(({ id }) => id)
  )
  for (const limited of [strict, full])
    await eventually(async () => assert.equal((await submit(limited, { marker: 'room again' })).status, 202))
  await balanced(db)
  await Promise.all(consumers.map((consumer) => consumer.kill('SIGTERM')))
})

t.test(
  'a backlog accepted without consumer and Redis is worked off once by two consumers whose relays take turns',
  async (t) => {
    await stack.redis.kill()
    const ids = await Promise.all(
      Array.from({ length: 600 }, (_, n) =>
        accept(gateway, { form: n % 3 ? 'probe-batch' : 'contact', marker: `backlog ${n}` })
      )
    )
    await stack.redis.start()
    const consumers = await Promise.all([stack.consumer(), stack.consumer()])
    const jobs = await settled(db, ids)
    t.ok(jobs.every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
    t.equal((await readJobs(db, ids)).length, 600)
    await Promise.all(consumers.map((consumer) => consumer.kill('SIGTERM')))
  }
)

/** Postgres restarts, its connections break or fall silent: what was answered is stored, once (design rules 1, 5, 6, 7). */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, balanced, settled, startFaultStack, submit } from '../helpers/fault-stack.js'
import { type Link, startLine, through } from '../helpers/proxy.js'

const stack = await startFaultStack(t)
const { db, postgres } = stack
const [toGateway, toConsumer] = await Promise.all([startLine(t, postgres.port), startLine(t, postgres.port)])
const [gateway, consumer] = await Promise.all([
  stack.gateway({ DATABASE_URL: through(postgres.url, toGateway) }),
  stack.consumer({ DATABASE_URL: through(postgres.url, toConsumer) })
])

/** Strikes once, when the client sends what fits. */
function once(line: typeof toGateway, fits: (data: string) => boolean, strike: (link: Link) => unknown): Promise<void> {
  return new Promise((resolve) => {
    line.onData((data, link) => {
      if (!fits(data)) return
      line.onData(undefined)
      strike(link)
      resolve()
    })
  })
}

const findRows = async (marker: string) =>
  (await db.query<{ id: string }>(`select id from jobs where payload->'data'->>'marker' = $1`, [marker])).rows

t.test(
  'a connection cut in the middle of a shared commit: every answer has its row, no row is there twice',
  async (t) => {
    for (const [name, fits] of [
      ['insert', (data: string) => data.includes('accept_jobs')],
      ['commit', (data: string) => data.includes('commit\0')]
    ] as const) {
      for (const keyed of name === 'commit' ? [true] : [true, false]) {
        const markers = Array.from({ length: 60 }, (_, n) => `cut-${name}-${keyed}-${n}`)
        const struck = once(toGateway, fits, (link) => link.cut())
        const answers = await Promise.all(
          markers.map((marker) => submit(gateway, { marker, form: 'probe-batch', ...(keyed && { key: marker }) }))
        )
        await struck
        t.ok(answers.every(({ status, replayed }) => status === 202 && !replayed))
        for (const [n, marker] of markers.entries()) t.strictSame(await findRows(marker), [{ id: answers[n]?.id }])
        await settled(
          db,
          answers.map(({ id }) => id)
        )
      }
    }
  }
)

t.test(
  'a connection cut right after the commit was sent: the same ids go again and nothing is there twice',
  async (t) => {
    const marker = 'cut-behind'
    const struck = once(
      toGateway,
      (data) => data.includes('commit\0'),
      (link) => setTimeout(() => link.cut(), 30) // it reaches Postgres; its answer comes late or not at all
    )
    toGateway.delay(20)
    const { status, id } = await submit(gateway, { marker, key: marker })
    toGateway.delay(0)
    await struck
    t.equal(status, 202)
    t.strictSame(await findRows(marker), [{ id }])
    await settled(db, [id])
  }
)

t.test('a line that falls silent before the commit does not lock the others out', async (t) => {
  const silent = once(
    toGateway,
    (data) => data.includes('commit\0'),
    (link) => {
      link.silent = true // Postgres sees a transaction that never ends, and the gateway no answer
    }
  )
  const stuck = submit(gateway, { marker: 'silent', key: 'silent' })
  await silent
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => submit(gateway, { marker: `behind silent ${n}`, key: `behind-${n}` }))
  )
  const ids = [await stuck, ...answers].flatMap(({ status, id, code }) => {
    // 503 and 409 ask for a repeat; anything else but success would be wrong
    t.ok(status === 202 || status === 503 || status === 409, `${status} ${code}`)
    return status === 202 ? [id] : []
  })
  const again = await eventually(async () => {
    const answer = await submit(gateway, { marker: 'silent', key: 'silent' })
    if (answer.status !== 202) throw new Error(answer.code)
    return answer
  })
  t.strictSame(await findRows('silent'), [{ id: again.id }])
  await settled(db, [...ids, again.id])
})

t.test('a relay whose line falls silent hands its turn to another consumer', async (t) => {
  const silent = once(
    toConsumer,
    (data) => data.includes('return_lapsed'),
    (link) => {
      link.silent = true // it holds the lock that makes relays take turns
    }
  )
  await silent
  const second = await stack.consumer()
  await stack.redis.kill()
  const id = await accept(gateway, { marker: 'needs the relay' })
  await stack.redis.start()
  await consumer.kill()
  t.match(await settled(db, [id], 40_000), [{ state: 'succeeded' }])
  await second.kill('SIGTERM')
  await consumer.restart()
})

t.test('Postgres killed and started again: no answer without a row, no row without its effect', async (t) => {
  const outcomes: { marker: string; status: number; id: string }[] = []
  const began = Date.now()
  const client = async (name: number) => {
    for (let n = 0; Date.now() - began < 6_000; n++) {
      const marker = `restart ${name} ${n}`
      const form = n % 2 ? 'probe' : 'probe-batch'
      outcomes.push({ marker, ...(await submit(gateway, { marker, form })) })
      await sleep(20)
    }
  }
  const clients = Promise.all([1, 2, 3, 4].map(client))
  await sleep(1_000)
  await postgres.kill()
  await sleep(1_500)
  await postgres.start()
  await clients
  const accepted = outcomes.filter(({ status }) => status === 202)
  t.ok(accepted.length > 20)
  t.ok(outcomes.every(({ status }) => status === 202 || status === 503))
  await settled(
    db,
    accepted.map(({ id }) => id)
  )
  for (const { marker, id } of accepted) t.strictSame(await findRows(marker), [{ id }])
})

t.test('while Postgres is away for good a submission is refused before long, with nothing stored', async (t) => {
  const hasty = await stack.gateway({ COMMIT_DEADLINE_MS: '1000' })
  await postgres.kill()
  for (const mode of ['sync', 'async'] as const) {
    const answers = await Promise.all(
      [1, 2, 3].map((n) => submit(hasty, { form: 'contact', marker: `gone ${n}`, mode }))
    )
    for (const answer of answers) t.match(answer, { status: 503, code: 'DATABASE_UNAVAILABLE', retryAfter: '2' })
  }
  t.equal((await fetch(`${hasty.url}/readyz`)).status, 503)
  t.equal((await fetch(`${hasty.url}/healthz`)).status, 200)
  await postgres.start()
  await eventually(async () => assert.equal((await fetch(`${hasty.url}/readyz`)).status, 200))
  const { rows } = await db.query(`select id from jobs where payload->'data'->>'name' like 'gone%'`)
  t.strictSame(rows, [])
  await balanced(db)
})

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import t, { type Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import database from '#plugins/database'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { startPostgres } from '../helpers/services.js'
import { connect } from '../helpers/stack.js'

const postgres = await startPostgres(t)
const sql = connect(t, postgres.ownerUrl)
await sql('create table things (id uuid primary key, n integer not null)')
await sql('grant select, insert on things to beeline_app')

/** Number of a thing whose insert takes too long. */
const SLOW = -1

interface Thing {
  id: string
  n: number | string
}

/** The plugin alone, and a writer of things that notes the groups in which they came. */
async function createWriter(
  t: Test,
  options: Partial<Parameters<ReturnType<typeof createApp>['groupCommit']>[0]> = {},
  commitDeadlineMs = 5_000
) {
  const app = createApp(t)
  await app.register(database, {
    url: postgres.url,
    commitDeadlineMs,
    queryTimeoutMs: 1_000,
    onUnfit: (error) => t.fail(error)
  })
  await app.ready()
  const groups: number[] = []
  let gate: Promise<unknown> = Promise.resolve()
  const write = app.groupCommit<Thing, string>({
    maxItems: 500,
    write: async (client: PoolClient, things: Thing[]) => {
      groups.push(things.length)
      await gate
      await client.query(`insert into things select * from unnest($1::uuid[], $2::int[]) on conflict (id) do nothing`, [
        things.map(({ id }) => id),
        things.map(({ n }) => n)
      ])
      return things.map(({ id }) => id)
    },
    ...(options as object)
  })
  /** Keeps the next groups from being written until it is opened. */
  const close = () => {
    let open = () => {}
    gate = new Promise<void>((resolve) => {
      open = resolve
    })
    return open
  }
  return { app, write, groups, close }
}

const thing = (n: Thing['n'] = 1): Thing => ({ id: uuidv7(), n })
const things = (count: number) => Array.from({ length: count }, (_, n) => thing(n))
const countKept = async (given: Thing[]) =>
  (await sql('select id from things where id = any($1)', [given.map(({ id }) => id)])).length
const codes = (settled: PromiseSettledResult<unknown>[]) =>
  settled.map((one) => (one.status === 'rejected' ? one.reason.code : 'ok'))

t.test('a writer that gathers starts with enough, or when patience is at its end', async (t) => {
  let enough = 3
  const { write, groups } = await createWriter(t, { gather: { enough: () => enough, patienceMs: 60_000 } })
  const first = [write(thing()), write(thing())]
  await sleep(50)
  t.strictSame(groups, [])
  await Promise.all([...first, write(thing())])
  t.strictSame(groups, [3])
  enough = 1
  await write(thing())
  t.strictSame(groups, [3, 1], 'a lone writer goes at once where one is enough')

  const impatient = await createWriter(t, { gather: { enough: () => 100, patienceMs: 5 } })
  await Promise.all([impatient.write(thing()), impatient.write(thing())])
  t.strictSame(impatient.groups, [2])

  const full = await createWriter(t, { maxItems: 2, gather: { enough: () => 100, patienceMs: 60_000 } })
  await Promise.all([full.write(thing()), full.write(thing())])
  t.strictSame(full.groups, [2], 'a full group waits for no more')
})

t.test('what is being gathered is written before the database closes, and refused when its time is over', async (t) => {
  const { app, write, groups } = await createWriter(t, { gather: { enough: () => 100, patienceMs: 300 } })
  const all = things(2)
  const answers = all.map((one) => write(one))
  await app.close()
  t.strictSame(
    await Promise.all(answers),
    all.map(({ id }) => id)
  )
  t.strictSame(groups, [2])

  const late = await createWriter(t, { gather: { enough: () => 100, patienceMs: 300 } }, 50)
  t.strictSame(codes(await Promise.allSettled([late.write(thing())])), ['DATABASE_UNAVAILABLE'])
  t.strictSame(late.groups, [], 'nothing was sent')
})

t.test('a writer with two lanes has two commits in flight, and no more', async (t) => {
  const { write, groups, close } = await createWriter(t, { lanes: 2 })
  const open = close()
  const given = things(20)
  const written = Promise.all(given.map(write))
  await eventually(() => assert.deepEqual(groups, [1, 1]))
  open()
  t.strictSame(
    await written,
    given.map(({ id }) => id)
  )
  t.equal(groups.length, 3, 'what came meanwhile went together')
  t.equal(await countKept(given), 20)
})

t.test('a writer that comes just as the last commit was answered waits for no other', async (t) => {
  const { write } = await createWriter(t)
  for (let turns = 0; turns < 10; turns++) {
    await write(thing())
    for (let turn = 0; turn < turns; turn++) await null
    const isWritten = await Promise.race([write(thing()).then(() => true), sleep(1_000, false)])
    t.ok(isWritten, `${turns} turns later`)
  }
})

t.test(
  'rule 1: a lone writer is committed at once; those that come meanwhile go together in the next commit',
  async (t) => {
    const { write, groups, close } = await createWriter(t)
    const open = close()
    const all = things(101)
    const answers = all.map((one) => write(one))
    await eventually(() => assert.equal(groups.length, 1))
    open()
    t.strictSame(
      await Promise.all(answers),
      all.map(({ id }) => id),
      'each gets its own answer'
    )
    t.strictSame(groups, [1, 100])
    t.equal(await countKept(all), 101)
  }
)

t.test('rule 1: a group holds 500 rows and a megabyte at the most', async (t) => {
  const { write, groups } = await createWriter(t)
  await Promise.all(things(1_202).map((one) => write(one)))
  t.strictSame(groups, [1, 500, 500, 201])

  const sized = await createWriter(t, { sizeOf: () => 300_000 })
  await Promise.all(things(8).map((one) => sized.write(one)))
  t.strictSame(sized.groups, [1, 3, 3, 1])

  const huge = await createWriter(t, { sizeOf: () => 2_000_000 })
  await Promise.all(things(2).map((one) => huge.write(one)))
  t.strictSame(huge.groups, [1, 1], 'what is larger goes alone')
})

t.test('rule 1: beyond 2,000 waiting writers, or 8 MB, more are refused at once', async (t) => {
  const { write, close } = await createWriter(t)
  const open = close()
  const all = things(2_010)
  const answers = Promise.allSettled(all.map((one) => write(one)))
  const [late] = await Promise.allSettled([write(thing())])
  t.match(late, { reason: { statusCode: 503, code: 'OVERLOADED', retryAfter: 1 } })
  open()
  const told = codes(await answers)
  t.equal(told.filter((code) => code === 'ok').length, 2_001, 'one under way and 2,000 waiting')
  t.equal(told.filter((code) => code === 'OVERLOADED').length, 9)
  t.equal(await countKept(all), 2_001, 'what was refused was not stored')
  t.ok(await write(thing()), 'later ones are taken again')

  const sized = await createWriter(t, { sizeOf: () => 1_000_000 })
  const openSized = sized.close()
  const big = Promise.allSettled(things(12).map((one) => sized.write(one)))
  openSized()
  t.equal(codes(await big).filter((code) => code === 'OVERLOADED').length, 3)
})

t.test('rule 1: one bad row in a shared commit fails alone', async (t) => {
  const { write, groups, close } = await createWriter(t)
  const open = close()
  const good = things(20)
  const bad = [thing(2 ** 40), thing('x')]
  const first = write(thing())
  const answers = [...good.slice(0, 10), ...bad, ...good.slice(10)].map((one) => write(one))
  open()
  await first
  const told = codes(await Promise.allSettled(answers))
  t.strictSame(told.filter((code) => code !== 'ok').sort(), ['22003', '22P02'])
  t.equal(await countKept(good), 20)
  t.strictSame(groups, [1, 22, ...Array(22).fill(1)])
})

const keepProcessor = (ms: number) => {
  for (const until = Date.now() + ms; Date.now() < until; );
}
/** What takes too long: a statement, or what is done between two of them. */
for (const [what, code, wait] of [
  ['takes too long', '57014', (client: PoolClient) => client.query('select pg_sleep(5)')],
  ['keeps the processor', '25P03', async () => keepProcessor(1_500)]
] as const) {
  t.test(`rule 1: one row that ${what} fails alone, however long its writer may wait`, async (t) => {
    const failures: number[] = []
    const { write } = await createWriter(t, {
      deadlineMs: Number.POSITIVE_INFINITY,
      onRetry: (_error: unknown, items: unknown[]) => void failures.push(items.length),
      write: async (client: PoolClient, given: unknown[]) => {
        const all = given as Thing[] // as they are sent below
        await client.query('begin')
        if (all.some(({ n }) => n === SLOW)) await wait(client)
        await client.query(
          'insert into things select * from unnest($1::uuid[], $2::int[]) on conflict (id) do nothing',
          [all.map(({ id }) => id), all.map(({ n }) => n)]
        )
        await client.query('commit')
        return all.map(({ id }) => id)
      }
    })
    const good = things(7)
    const first = write(thing())
    const slow = write(thing(SLOW))
    const answers = good.map((one) => write(one))
    t.match(await slow.catch((error) => error), { code })
    await Promise.all([first, ...answers])
    t.equal(await countKept(good), 7)
    t.strictSame(failures, [8, 4, 2, 1, 1], 'halves, then the one twice')
  })
}

t.test('rule 1: a lost connection is tried again with the same rows, and they are stored once', async (t) => {
  const { app, write, groups, close } = await createWriter(t)
  const open = close()
  const all = things(30)
  const answers = all.map((one) => write(one))
  await eventually(() => assert.equal(groups.length, 1))
  await sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'beeline_app'`)
  open()
  t.strictSame(
    await Promise.all(answers),
    all.map(({ id }) => id)
  )
  t.equal(await countKept(all), 30)
  t.ok(groups.length > 2, `groups: ${groups.join()}`)
  await app.close()
})

t.test('rule 1: Postgres may be away for a while: writers wait for it', async (t) => {
  const { write } = await createWriter(t, {}, 20_000)
  await postgres.kill()
  const one = thing()
  const answer = write(one)
  await sleep(300) // long enough for several refused connections
  await postgres.start()
  t.equal(await answer, one.id)
  t.equal(await countKept([one]), 1)
})

t.test('rule 1: at the deadline writers are told whether something may have been stored', async (t) => {
  const tries: number[] = []
  const { write } = await createWriter(t, { onRetry: (_error, items) => tries.push(items.length) }, 400)
  await write(thing())
  await postgres.freeze()
  const frozen = await Promise.allSettled([write(thing())])
  t.match(frozen, [{ reason: { statusCode: 503, code: 'OUTCOME_UNKNOWN', retryAfter: 2 } }], 'it was sent')
  await postgres.thaw()
  await postgres.kill()
  tries.length = 0
  const group = await Promise.allSettled(things(2_000).map((one) => write(one)))
  t.strictSame([...new Set(codes(group))], ['DATABASE_UNAVAILABLE'], 'nothing was sent')
  const behind = tries.filter((size) => size > 1)
  t.ok(behind.length <= 6, `groups that waited behind do not wait for deadlines of their own: ${tries}`)
  await postgres.start()
  await eventually(() => write(thing()))
})

import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import database from '#plugins/database'
import idempotency from '#plugins/idempotency'
import { createApp } from '../helpers/app.js'
import { inParallel } from '../helpers/in-parallel.js'
import { startGateway } from '../helpers/processes.js'
import { CONTACT, clientOf, countRows, idOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t)
const other = await startGateway(t, stack.env)
const WAYS = { '/sync/contact': 201, '/async/contact': 202 }
const key = (value: string) => ({ 'idempotency-key': value })

for (const [way, status] of Object.entries(WAYS)) {
  t.test(`${way}: the same key and body again answers the same id, marked as replayed, and stores once`, async (t) => {
    const before = await countRows(stack.sql)
    const first = await stack.post(way, CONTACT, key(`same ${way}`.replaceAll(' ', '-')))
    const second = await stack.post(way, CONTACT, key(`same ${way}`.replaceAll(' ', '-')))
    t.strictSame([first.status, second.status], [status, status])
    t.equal(first.headers.get('idempotency-replayed'), null)
    t.equal(second.headers.get('idempotency-replayed'), 'true')
    t.equal(second.headers.get('location'), first.headers.get('location'))
    t.strictSame(await second.json(), await first.json())
    const { jobs, submissions, keys } = await countRows(stack.sql)
    t.equal(jobs + submissions, before.jobs + before.submissions + 1)
    t.equal(keys, before.keys + 1)
  })

  t.test(`${way}: another body under the key is 422 and stores nothing`, async (t) => {
    await stack.post(way, CONTACT, key('other'))
    const before = await countRows(stack.sql)
    const answer = await stack.post(way, { ...CONTACT, name: 'Eve' }, key('other'))
    t.equal(answer.status, 422)
    t.match(await answer.json(), { code: 'IDEMPOTENCY_KEY_REUSED' })
    t.strictSame(await countRows(stack.sql), before)
  })

  t.test(`${way}: a refused body leaves its key free`, async (t) => {
    t.equal((await stack.post(way, {}, key('free'))).status, 422)
    const answer = await stack.post(way, CONTACT, key('free'))
    t.equal(answer.status, status)
    t.equal(answer.headers.get('idempotency-replayed'), null)
  })

  t.test(`${way}: of fifty at once, over two gateways, one is stored`, async (t) => {
    const before = await countRows(stack.sql)
    const gateways = [stack, clientOf(() => other.url)]
    const answers = await inParallel(
      Array.from({ length: 50 }, (_, i) => i),
      async (i) => {
        const answer = await gateways[i % 2]?.post(way, CONTACT, key('crowd'))
        if (!answer) throw new Error('no answer')
        const replayed = answer.headers.get('idempotency-replayed')
        return { status: answer.status, replayed, id: await idOf(answer) }
      },
      50
    )
    t.strictSame([...new Set(answers.map((answer) => answer.status))], [status])
    t.equal(new Set(answers.map(({ id }) => id)).size, 1, 'one id for all')
    t.equal(answers.filter(({ replayed }) => replayed === null).length, 1, 'one was first')
    const { jobs, submissions } = await countRows(stack.sql)
    t.equal(jobs + submissions, before.jobs + before.submissions + 1)
  })

  t.test(`${way}: without a key, each is stored`, async (t) => {
    t.not(await idOf(await stack.post(way, CONTACT)), await idOf(await stack.post(way, CONTACT)))
  })
}

t.test('keys hold after Redis lost everything and the gateway was started again', async (t) => {
  const send = () => Promise.all(Object.keys(WAYS).map((way) => stack.post(way, CONTACT, key('lasting'))))
  const ids = await Promise.all((await send()).map(idOf))
  const redis = new Redis(stack.redis.url)
  await redis.flushall()
  redis.disconnect()
  await stack.gateway.restart()
  const again = await send()
  t.strictSame(
    again.map(({ headers }) => headers.get('idempotency-replayed')),
    ['true', 'true']
  )
  t.strictSame(await Promise.all(again.map(idOf)), ids)
})

t.test('a key belongs to its route: the same one elsewhere is another', async (t) => {
  const ids = new Set<string>()
  const report = { place: 'x', kind: 'light', urgency: 'low', seen_on: '2026-11-21', description: 'dark' }
  ids.add(await idOf(await stack.post('/sync/contact', CONTACT, key('scope'))))
  ids.add(await idOf(await stack.post('/async/contact', CONTACT, key('scope'))))
  ids.add(await idOf(await stack.post('/sync/damage-report', report, key('scope'))))
  t.equal(ids.size, 3)
})

t.test('a key that is none is 400 and stores nothing', async (t) => {
  const before = await countRows(stack.sql)
  for (const bad of ['', 'a b', 'ä', 'x'.repeat(256)]) {
    for (const way of Object.keys(WAYS)) {
      const answer = await stack.post(way, CONTACT, key(bad))
      t.equal(answer.status, 400, JSON.stringify(bad.slice(0, 5)))
      t.match(await answer.json(), { code: /^(IDEMPOTENCY_KEY_INVALID|INVALID_HEADERS)$/ })
    }
  }
  t.strictSame(await countRows(stack.sql), before)
  t.equal((await stack.post('/sync/contact', CONTACT, key('x'.repeat(255)))).status, 201)
  t.equal((await stack.post('/sync/contact', CONTACT, key('"8e03978e-40d5-43dd-bc93-6894a57f9324"'))).status, 201)
})

t.test("a page's key does the same for a form, and an empty one is none", async (t) => {
  const fields = { name: 'Ada', email: 'a@example.org', message: 'hello', consent: 'on' }
  const once = await stack.postForm('/sync/contact', { ...fields, idempotency_key: 'page-1' })
  const twice = await stack.postForm('/sync/contact', { ...fields, idempotency_key: 'page-1' })
  t.equal(await idOf(twice), await idOf(once))
  const before = await countRows(stack.sql)
  t.equal((await stack.postForm('/sync/contact', { ...fields, idempotency_key: '' })).status, 201)
  t.equal(
    (
      await stack.postForm(
        '/sync/contact',
        'name=a&email=a@b.cc&message=m&consent=on&idempotency_key=1&idempotency_key=2'
      )
    ).status,
    400
  )
  const { submissions, keys } = await countRows(stack.sql)
  t.strictSame({ submissions, keys }, { submissions: before.submissions + 1, keys: before.keys })
})

t.test('a key that another transaction holds is 409, and waits for nobody longer than it must', async (t) => {
  const holder = new pg.Client({ connectionString: stack.postgres.ownerUrl })
  await holder.connect()
  t.teardown(() => holder.end())
  await holder.query('begin')
  await holder.query(
    `insert into idempotency_keys (scope, key, request_hash, kind, id)
     values ('anon POST /sync/contact', 'held', '\\x00', 'submission', '01940000-0000-7000-8000-000000000000')`
  )
  const [held, free] = await Promise.all([
    stack.post('/sync/contact', CONTACT, key('held')),
    stack.post('/async/contact', CONTACT, key('not-held'))
  ])
  t.equal(free.status, 202)
  t.equal(held.status, 409)
  t.ok(held.headers.get('retry-after'))
  t.match(await held.json(), { code: 'IDEMPOTENCY_KEY_IN_USE' })
  await holder.query('rollback')
  t.equal((await stack.post('/sync/contact', CONTACT, key('held'))).status, 201)
})

t.test('keys beyond their time are forgotten, and only they', async (t) => {
  await stack.post('/sync/contact', CONTACT, key('old'))
  await stack.post('/sync/contact', CONTACT, key('young'))
  await stack.sql(`update idempotency_keys set created_at = now() - interval '49 hours' where key = 'old'`)
  const app = new pg.Client({ connectionString: stack.postgres.url })
  await app.connect()
  t.teardown(() => app.end())
  const { deleteOldKeys } = await import('../../plugins/idempotency/queries.js')
  await stack.sql(
    `insert into idempotency_keys (scope, key, request_hash, kind, id, created_at)
     select 'anon', 'ancient ' || n, '', 'job', gen_random_uuid(), now() - interval '1 year' from generate_series(1, 4) as n`
  )
  t.strictSame([await deleteOldKeys(app, 48, 3), await deleteOldKeys(app, 48, 3)], [3, 2], 'few at a time')
  const rows = await stack.sql(`select key from idempotency_keys where key in ('old', 'young')`)
  t.strictSame(rows, [{ key: 'young' }], 'in the role that serves')
})

t.test(
  'a key belongs to a form, whichever of its addresses is used, and the order of the names does not matter',
  async (t) => {
    const before = await countRows(stack.sql)
    const turned = Object.fromEntries(Object.entries(CONTACT).reverse())
    const first = await stack.post('/sync/', CONTACT, key('two-doors'))
    const second = await stack.post('/sync/contact', turned, key('two-doors'))
    t.equal(second.headers.get('idempotency-replayed'), 'true')
    t.equal(await idOf(second), await idOf(first))
    t.equal((await countRows(stack.sql)).submissions, before.submissions + 1)
  }
)

/** The plugin alone, and a connection. */
async function createAlone(t: Test) {
  const app = createApp(t)
  app.register(database, { url: stack.env.DATABASE_URL ?? '', onUnfit: (error) => void t.fail(error.message) })
  app.register(idempotency, {})
  await app.ready()
  const client = await app.pg.connect()
  return { app, client }
}

t.test('a key that is forgotten just as it is looked for is no success', async (t) => {
  const { app, client } = await createAlone(t)
  t.teardown(() => client.release())
  const item = (id: string) => ({
    id,
    key: { scope: 'anon POST /sync/contact', key: 'forgotten', hash: 'ab'.repeat(32) }
  })
  const insert = async () => undefined
  const [first, second] = [randomUUID(), randomUUID()]
  t.strictSame(await app.idempotency.insertOnce(client, 'submission', [item(first)], insert), [
    { id: first, replayed: false }
  ])
  // the hourly sweep comes between the two statements
  const forgetful = new Proxy(client, {
    get: (target, name) => {
      const query = async (asked: { name?: string }, ...rest: never[]) => {
        if (asked?.name === 'find_keys') await stack.sql(`delete from idempotency_keys where key = 'forgotten'`)
        return target.query(asked as never, ...rest)
      }
      return name === 'query' ? query : Reflect.get(target, name)
    }
  })
  const [outcome] = await app.idempotency.insertOnce(forgetful, 'submission', [item(second)], insert)
  t.ok(outcome)
  t.throws(() => outcome && app.idempotency.settle(outcome), { code: 'IDEMPOTENCY_KEY_IN_USE', statusCode: 409 })
})

t.test('a key is not kept for a row that could not even be sent', async (t) => {
  const { app, client } = await createAlone(t)
  const item = {
    id: randomUUID(),
    key: { scope: 'anon POST /sync/contact', key: 'unsent', hash: 'ab'.repeat(32) }
  }
  const insert = async () => {
    throw new Error('before the statement')
  }
  await t.rejects(app.idempotency.insertOnce(client, 'submission', [item], insert), { message: 'before the statement' })
  await client.query('rollback') // after all that was sent before
  client.release()
  t.strictSame(await stack.sql(`select key from idempotency_keys where key = 'unsent'`), [])
})

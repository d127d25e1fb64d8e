import t, { type Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import database from '#plugins/database'
import idempotency from '#plugins/idempotency'
import submissions from '#plugins/submissions'
import { createApp } from '../helpers/app.js'
import { startPostgres } from '../helpers/services.js'
import { connect } from '../helpers/stack.js'

const postgres = await startPostgres(t)
const sql = connect(t, postgres.ownerUrl)
const contact = (name: string) => ({ form: 'contact', data: { name } })

/** The plugin on real Postgres, with the two that it stands on and no other. */
async function createSubmissions(t: Test) {
  const app = createApp(t)
  app.register(database, { url: postgres.url, onUnfit: (error) => t.fail(error) })
  app.register(idempotency, {})
  app.register(submissions)
  await app.ready()
  return app
}

t.test('B20 it stands on database and idempotency alone, and a missing one stops the start by name', async (t) => {
  t.ok((await createSubmissions(t)).submissions)
  const bare = createApp(t)
  bare.register(submissions)
  await t.rejects(async () => void (await bare.ready()), {
    message: /decorator '(pg|groupCommit)'.*required by 'submissions'/
  })
})

t.test('A5 what is stored directly is a sync row, and has a receipt in its own form', async (t) => {
  const app = await createSubmissions(t)
  const { id, replayed } = await app.submissions.store(contact('Ada'), undefined)
  t.equal(replayed, false)
  t.strictSame(await sql('select form, mode, data from submissions where id = $1', [id]), [
    { form: 'contact', mode: 'sync', data: { name: 'Ada' } }
  ])
  const receipt = await app.submissions.findReceipt('contact', { id })
  t.match(receipt, { id, form: 'contact' })
  t.strictSame(Object.keys(receipt ?? {}).sort(), ['created_at', 'form', 'id'], 'never what was typed')
  t.equal(await app.submissions.findReceipt('damage-report', { id }), undefined)
  t.equal(await app.submissions.findReceipt('contact', { id: uuidv7() }), undefined)
})

t.test('A5 rule 5: what comes from jobs is an async row under the job id, once, however often it comes', async (t) => {
  const app = await createSubmissions(t)
  const jobs = ['Ada', 'Eve'].map((name) => ({ id: uuidv7(), payload: contact(name) }))
  for (let i = 0; i < 2; i++) await app.pg.query(app.submissions.insertionOf(jobs))
  await app.pg.query(app.submissions.insertionOf([{ id: jobs[0]?.id ?? '', payload: contact('Mallory') }]))
  const ids = jobs.map(({ id }) => id)
  t.strictSame(await sql("select mode, data->>'name' as name from submissions where id = any($1) order by id", [ids]), [
    { mode: 'async', name: 'Ada' },
    { mode: 'async', name: 'Eve' }
  ])
  t.equal(
    await app.submissions.findReceipt('contact', { id: ids[0] ?? '' }),
    undefined,
    'it has its status page instead'
  )
})

t.test('rule 1: keys and rows are committed together, and the loser of a key learns whose it is', async (t) => {
  const app = await createSubmissions(t)
  const key = (hash: string) => ({ scope: 'anon POST /x', key: 'k', hash })
  const [first, second] = await Promise.all([
    app.submissions.store(contact('Ada'), key('aa')),
    app.submissions.store(contact('Ada'), key('aa'))
  ])
  t.equal(second.id, first.id)
  t.strictSame([first.replayed, second.replayed].sort(), [false, true])
  await t.rejects(app.submissions.store(contact('Eve'), key('bb')), { code: 'IDEMPOTENCY_KEY_REUSED', statusCode: 422 })
  t.strictSame(await sql("select kind, id from idempotency_keys where key = 'k'"), [
    { kind: 'submission', id: first.id }
  ])
})

t.test('what Postgres refuses fails alone, and takes no key with it', async (t) => {
  const app = await createSubmissions(t)
  const good = Array.from({ length: 10 }, (_, i) => app.submissions.store(contact(`good ${i}`), undefined))
  // what the gateway's check would not let through
  const bad = app.submissions.store(contact('a\0b'), { scope: 's', key: 'bad', hash: 'aa' })
  await t.rejects(bad, { code: /^22/ })
  t.equal((await Promise.all(good)).length, 10)
  t.strictSame(await sql("select 1 from idempotency_keys where key = 'bad'"), [])
})

/** Programs: JSON and urlencoded, stored directly and through the queue, down to the row. */
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startConsumer, startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'
import { findSubmissions } from '../helpers/submissions.js'

const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
const env = { DATABASE_URL: postgres.url, REDIS_URL: redis.url }
const [gateway] = await Promise.all([startGateway(t, env), startConsumer(t, env)])

const data = (name: string) => ({ name, email: 'ada@example.org', message: 'Two\nlines', consent: true })

const WAYS: Record<string, (name: string) => RequestInit> = {
  JSON: (name) => ({
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...data(name), age: 36 })
  }),
  urlencoded: (name) => ({
    body: new URLSearchParams({ ...data(name), message: 'Two\r\nlines', age: '36', consent: 'on', website: '' })
  })
}

for (const [way, request] of Object.entries(WAYS)) {
  t.test(`A2 A5 a program submits ${way} to /sync/ and the row is there before the answer`, async (t) => {
    const answer = await fetch(`${gateway.url}/sync/`, { method: 'POST', ...request(`sync ${way}`) })
    t.equal(answer.status, 201)
    const rows = await findSubmissions(postgres.url, `sync ${way}`)
    t.strictSame(rows, [{ id: rows[0]?.id, form: 'contact', mode: 'sync', data: { ...data(`sync ${way}`), age: 36 } }])
    t.strictSame(await answer.json(), { id: rows[0]?.id, form: 'contact' })
    const receipt = await fetch(gateway.url + answer.headers.get('location'))
    t.match(await receipt.json(), { id: rows[0]?.id, form: 'contact', created_at: /Z$/ })
  })

  t.test(`A4 A5 a program submits ${way} to /async/ and follows its job to the row`, async (t) => {
    const answer = await fetch(`${gateway.url}/async/`, { method: 'POST', ...request(`async ${way}`) })
    t.equal(answer.status, 202)
    const { id } = (await answer.json()) as { id: string } // its type is checked by the row below
    const location = answer.headers.get('location')
    t.equal(location, `/async/contact/${id}`)
    await eventually(async () => {
      const status = await (await fetch(gateway.url + location)).json()
      if ((status as { status: string }).status !== 'succeeded') throw new Error(JSON.stringify(status))
    })
    const expected = { id, form: 'contact', mode: 'async', data: { ...data(`async ${way}`), age: 36 } }
    t.strictSame(await findSubmissions(postgres.url, `async ${way}`), [expected])
  })
}

t.test('a program that repeats with the same Idempotency-Key gets the first answer, and one row', async (t) => {
  for (const path of ['/sync/contact', '/async/contact']) {
    const name = `repeated ${path}`
    const post = (body: object) =>
      fetch(gateway.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'k-1' },
        body: JSON.stringify(body)
      })
    const answers = await Promise.all([post(data(name)), post(data(name)), post(data(name))])
    t.equal(new Set(answers.map(({ headers }) => headers.get('location'))).size, 1)
    t.equal((await post({ ...data(name), message: 'other' })).status, 422)
    await eventually(async () => {
      const rows = await findSubmissions(postgres.url, name)
      if (rows.length !== 1) throw new Error(`${rows.length} rows`)
    })
  }
})

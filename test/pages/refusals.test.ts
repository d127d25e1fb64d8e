/** Forms that are not taken: what the page says, and what it keeps of what was typed. */
import t from 'tap'
import { contact, formPagesOf, keyOf } from '../helpers/form-pages.js'
import { startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'
import { findSubmissions } from '../helpers/submissions.js'

const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
const gateway = await startGateway(t, {
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  COMMIT_DEADLINE_MS: '500',
  SUBMISSIONS_PER_MINUTE: '10',
  TRUST_PROXY: '127.0.0.1'
})
const { get, submit } = formPagesOf(gateway)

t.test('A23 a refused form comes back with the message beside the field and with what was typed', async (t) => {
  const answer = await submit('/sync/event-registration', [
    ['name', '"><script>alert(1)</script>'],
    ['email', 'nope'],
    ['session', 'evening'],
    ['interests', 'roof'],
    ['interests', 'kitchen'],
    ['guests', 'two'],
    ['newsletter', 'on'],
    ['idempotency_key', 'the-key-of-this-page']
  ])
  const html = await answer.text()
  t.equal(answer.status, 422)
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.match(html, '<title>Not sent yet – Register for the open day · Beeline</title>')
  t.match(html, /id="summary" tabindex="-1"[^>]* autofocus/)
  t.match(html, '<a href="#field-email">E-mail: Must be an e-mail address such as name@example.org</a>')
  t.match(html, /name="email" aria-describedby="field-email-error" aria-invalid="true"[^>]* value="nope"/)
  t.match(html, '<small class="fault" id="field-email-error">Must be an e-mail address')
  t.match(html, '<small class="fault" id="field-day-error">Is required</small>')
  t.match(html, /name="guests"[^>]* value="two"/, 'what is no number is kept too')
  t.match(html, '<option value="evening" selected>')
  t.strictSame(
    [...html.matchAll(/name="interests" value="(\w+)" checked/g)].map(([, value]) => value),
    ['roof', 'kitchen']
  )
  t.match(html, /name="newsletter" value="true" checked/)
  t.match(html, 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"')
  t.notMatch(html, '<script>alert')
  t.equal(keyOf(html), 'the-key-of-this-page', 'nothing was stored under the key: it goes on')

  const long = await (await submit('/sync/contact', { message: ' <b>\r\n</textarea>', unknown: 'x' })).text()
  t.match(long, ' &lt;b&gt;\r\n&lt;/textarea&gt;</textarea>')
  t.match(long, '<li>“unknown” is not a known field</li>')
  t.match(long, '<a href="#field-consent">You may store what I wrote in order to answer me: Is required</a>')
})

t.test('A23 a program gets the same faults as a problem', async (t) => {
  for (const path of ['/sync/contact', '/async/contact']) {
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '10.1.0.1' },
      body: JSON.stringify({ name: 'Ada', email: 'nope', message: 7 })
    })
    t.equal(answer.status, 422)
    t.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    t.match(await answer.json(), {
      status: 422,
      code: 'INVALID_BODY',
      errors: [{ pointer: '/consent' }, { pointer: '/email', detail: /e-mail/ }, { pointer: '/message' }]
    })
  }
})

t.test('what is too large or too frequent is refused with a readable page', async (t) => {
  const large = await submit('/sync/contact', { ...contact('Large'), message: 'x'.repeat(70_000) })
  t.equal(large.status, 413)
  t.match(await large.text(), 'shorten what you typed')

  const headers = { 'x-forwarded-for': '10.9.9.9' }
  for (let i = 0; i < 10; i++) await submit('/sync/contact', {}, headers)
  const often = await submit('/sync/contact', contact('Often'), headers)
  t.equal(often.status, 429)
  t.ok(Number(often.headers.get('retry-after')) > 0)
  t.match(await often.text(), 'Too many submissions from you')
  t.strictSame(await findSubmissions(postgres.url, 'Often'), [])
})

t.test('a field that people do not see catches programs', async (t) => {
  const html = await (await get('/sync/contact')).text()
  t.match(html, /<p class="trap" aria-hidden="true">[\s\S]*?name="website" tabindex="-1" autocomplete="off">/)
  const answer = await submit('/sync/contact', { ...contact('Robot'), website: 'http://spam.example' })
  t.equal(answer.status, 422)
  t.notMatch(await answer.text(), 'spam.example', 'the trap comes back empty')
  t.strictSame(await findSubmissions(postgres.url, 'Robot'), [])
})

t.test(
  'while Postgres is away the form comes back with what was typed and its key, and a repeat stores it once',
  async (t) => {
    const key = keyOf(await (await get('/sync/contact')).text())
    const fields = { ...contact('Patient'), idempotency_key: key }
    await postgres.kill()
    const refused = await submit('/sync/contact', fields)
    const html = await refused.text()
    t.equal(refused.status, 503)
    t.match(html, 'This was not sent yet')
    t.match(html, 'value="Patient"')
    t.equal(keyOf(html), key)
    await postgres.start()
    const [first, second] = [await submit('/sync/contact', fields), await submit('/sync/contact', fields)]
    t.equal(first.status, 303)
    t.equal(second.headers.get('location'), first.headers.get('location'))
    t.equal((await findSubmissions(postgres.url, 'Patient')).length, 1)
  }
)

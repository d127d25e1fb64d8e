/** The server goes away while people send and wait: nothing that was typed is lost, nothing is stored twice. */
import pg from 'pg'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startBrowser } from '../helpers/browser.js'
import { eventually } from '../helpers/eventually.js'
import { startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'
import { findSubmissions } from '../helpers/submissions.js'

const browser = await startBrowser(t)
const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
const gateway = await startGateway(t, { DATABASE_URL: postgres.url, REDIS_URL: redis.url })

const SEND = '[data-send]'
const NOTICE = '[data-waiting]'
const POSTS = '**/sync/contact'
const KEY = '[name=idempotency_key]'

async function fillIn(page: Page, name: string) {
  await page.goto(`${gateway.url}/sync/contact`)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('E-mail').fill('ada@example.org')
  await page.getByLabel('Message').fill('Hello\nthere')
  await page.getByLabel('You may store').check()
}

const waitForRows = (name: string, count: number) =>
  eventually(async () => {
    const rows = await findSubmissions(postgres.url, name)
    if (rows.length !== count) throw new Error(`${rows.length} rows instead of ${count}`)
    return rows
  })
const waitForOneRow = async (name: string) => (await waitForRows(name, 1))[0]

t.test('the gateway is killed, the person types and sends; when it is back, the row is stored once', async (t) => {
  const { page, faults } = await browser.open()
  await fillIn(page, 'Ada')
  await gateway.kill()
  await page.getByLabel('Message').fill('Typed while nobody listened')
  await page.click(SEND)
  await page.getByText('the server cannot be reached').waitFor()
  t.match(await page.textContent(NOTICE), 'is kept on this page and sent again by itself')
  t.equal(await page.getByLabel('Message').inputValue(), 'Typed while nobody listened')
  t.equal(await page.locator(SEND).isEnabled(), true)
  await gateway.restart()
  await page.waitForURL('**/sync/contact/*')
  const row = await waitForOneRow('Ada')
  t.equal(row?.data.message, 'Typed while nobody listened')
  t.match(page.url(), row?.id)
  await page.goto(`${gateway.url}/sync/contact`)
  t.equal(await page.getByLabel('Name').inputValue(), '', 'the draft is gone after the success')
  t.strictSame(faults, [])
})

t.test('an answer that gets lost after the commit, and a reload: the same key is sent again, one row', async (t) => {
  const { page } = await browser.open()
  const keys: (string | null)[] = []
  await page.route(POSTS, async (route) => {
    if (route.request().method() !== 'POST') return route.continue()
    keys.push(new URLSearchParams(route.request().postData() ?? '').get('idempotency_key'))
    if (keys.length > 1) return route.continue()
    await route.fetch({ maxRedirects: 0 }) // it is stored, and nobody learns of it
    await page.reload()
  })
  await fillIn(page, 'Grace')
  await page.click(SEND)
  await page.waitForURL('**/sync/contact/*')
  await waitForOneRow('Grace')
  t.equal(keys.length, 2)
  t.equal(keys[0], keys[1])
})

t.test('while the server says 503 the page waits as it is asked, and a button sends at once', async (t) => {
  const { page } = await browser.open()
  let away = true
  await page.route(POSTS, (route) => {
    if (!away || route.request().method() !== 'POST') return route.continue()
    return route.fulfill({ status: 503, headers: { 'retry-after': '600' }, body: 'away' })
  })
  await fillIn(page, 'Mary')
  await page.click(SEND)
  await page.getByText('sent again by itself in 600 seconds').waitFor()
  t.equal(
    await page.locator(SEND).evaluate((button) => button.matches(':focus')),
    true,
    'the focus stays on the button'
  )
  away = false
  await page.getByRole('button', { name: 'Send now' }).click()
  await page.waitForURL('**/sync/contact/*')
  await waitForOneRow('Mary')
})

t.test('a Retry-After that is a date, or beyond all measure, is no reason to send without a pause', async (t) => {
  for (const [retryAfter, pause] of [
    [new Date(Date.now() + 60_000).toUTCString(), 'in a second'],
    ['9999999', 'in 3600 seconds']
  ] as const) {
    const { page } = await browser.open()
    let posts = 0
    await page.route(POSTS, (route) => {
      if (route.request().method() !== 'POST') return route.continue()
      posts += 1
      return route.fulfill({ status: 503, headers: { 'retry-after': retryAfter }, body: 'away' })
    })
    await fillIn(page, 'Dated')
    await page.clock.install()
    await page.click(SEND)
    await page.getByText(`sent again by itself ${pause}`).waitFor()
    await page.clock.runFor(500)
    t.equal(posts, 1, retryAfter)
  }
})

t.test('while another request holds its key the page waits, and sends the same key again by itself', async (t) => {
  const { page, faults } = await browser.open()
  await fillIn(page, 'Held')
  const key = await page.locator(KEY).inputValue()
  const holder = new pg.Client({ connectionString: postgres.ownerUrl })
  await holder.connect()
  t.teardown(() => holder.end())
  await holder.query('begin')
  const held = await holder.query(
    `insert into idempotency_keys (scope, key, request_hash, id, kind)
     values ('anon POST /sync/contact', $1, '\\x00', gen_random_uuid(), 'submission')`,
    [key]
  )
  t.equal(held.rowCount, 1)
  await page.click(SEND)
  await page.getByText('the server is still busy with what was sent before').waitFor()
  t.match(await page.textContent(NOTICE), 'sent again by itself')
  t.equal(await page.getByLabel('Message').inputValue(), 'Hello\nthere')
  t.equal(await page.locator(KEY).inputValue(), key)
  await holder.query('rollback')
  await page.waitForURL('**/sync/contact/*')
  await waitForOneRow('Held')
  t.strictSame(faults, [])
})

t.test(
  'a sending that timed out, or comes too early, is sent again after the pause; another conflict is not',
  async (t) => {
    for (const [status, sentence] of [
      [408, 'the sending took too long'],
      [429, 'the server asks to wait a little']
    ] as const) {
      const { page } = await browser.open()
      let posts = 0
      await page.route(POSTS, (route) => {
        if (route.request().method() !== 'POST' || posts++ > 0) return route.continue()
        return route.fulfill({ status, headers: { 'retry-after': '2' }, body: 'later' })
      })
      await fillIn(page, `Later ${status}`)
      await page.click(SEND)
      await page.getByText(`${sentence}. What you typed is kept on this page and sent again by itself in 2`).waitFor()
      await page.waitForURL('**/sync/contact/*')
      await waitForOneRow(`Later ${status}`)
    }
    const { page } = await browser.open()
    await page.route(POSTS, (route) =>
      route.request().method() === 'POST' ? route.fulfill({ status: 409, body: 'never' }) : route.continue()
    )
    await fillIn(page, 'Never')
    let posts = 0
    page.on('request', (request) => {
      if (request.method() === 'POST') posts += 1
    })
    await page.clock.install()
    await page.click(SEND)
    await page.getByText('The server did not take this (status 409)').waitFor()
    await page.clock.runFor(120_000)
    t.equal(posts, 1)
  }
)

t.test('what is edited while it waits is not sent by itself', async (t) => {
  const { page } = await browser.open()
  let posts = 0
  await page.route(POSTS, (route) => {
    if (route.request().method() !== 'POST') return route.continue()
    posts += 1
    return route.abort()
  })
  await fillIn(page, 'Edith')
  await page.clock.install()
  await page.click(SEND)
  await page.getByText('the server cannot be reached').waitFor()
  await page.getByLabel('Message').fill('Half a sen')
  await page.getByText('You changed something').waitFor()
  await page.clock.runFor(120_000)
  t.equal(posts, 1)
  await page.clock.resume()
  await page.unrouteAll()
  await page.getByLabel('Message').fill('A whole sentence')
  await page.click(SEND)
  await page.waitForURL('**/sync/contact/*')
  t.equal((await waitForOneRow('Edith'))?.data.message, 'A whole sentence')
})

t.test('a half-filled form survives a reload, choices included', async (t) => {
  const { page } = await browser.open()
  await page.goto(`${gateway.url}/async/event-registration`)
  await page.getByLabel('Name').fill('Half')
  await page.getByLabel('Day of your visit').fill('2026-12-31')
  await page.getByLabel('Session').selectOption('evening')
  await page.getByLabel('The roof garden').check()
  const key = await page.locator(KEY).inputValue()
  await page.reload()
  t.equal(await page.getByLabel('Name').inputValue(), 'Half')
  t.equal(await page.getByLabel('Day of your visit').inputValue(), '2026-12-31')
  t.equal(await page.getByLabel('Session').inputValue(), 'evening')
  t.equal(await page.getByLabel('The roof garden').isChecked(), true)
  t.equal(await page.getByLabel('The workshop').isChecked(), false)
  t.equal(await page.locator(KEY).inputValue(), key)
  t.equal(await page.locator(NOTICE).isVisible(), false, 'nothing is sent by itself')
})

t.test('what is too large stays on the page and says so; going back after a success gives a fresh key', async (t) => {
  const { page } = await browser.open()
  await fillIn(page, 'Longwinded')
  const key = await page.locator(KEY).inputValue()
  await page.getByLabel('Message').fill('x'.repeat(70_000))
  await page.click(SEND)
  await page.getByText('This is more than can be taken here').waitFor()
  t.equal((await page.getByLabel('Message').inputValue()).length, 70_000)
  await page.getByLabel('Message').fill('short')
  await page.click(SEND)
  await page.waitForURL('**/sync/contact/*')
  await page.goBack()
  await page.waitForSelector(SEND)
  t.not(await page.locator(KEY).inputValue(), key)
  t.equal(await page.locator(SEND).isEnabled(), true)
  await waitForOneRow('Longwinded')
})

t.test('a page that a browser brings back as it was left takes another submission, under a fresh key', async (t) => {
  const { page } = await browser.open()
  const bringBack = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
  await page.route('**/sync/contact/*', (route) =>
    route.request().isNavigationRequest() ? route.fulfill({ status: 204 }) : route.continue()
  )
  await fillIn(page, 'Again')
  const key = await page.locator(KEY).inputValue()
  await page.evaluate(bringBack)
  t.equal(await page.locator(KEY).inputValue(), key, 'before it was sent the key stays')
  const receipt = page.waitForRequest((request) => request.isNavigationRequest()) // by then the page knows that it was stored
  await page.click(SEND)
  await receipt
  await waitForRows('Again', 1)
  t.equal(await page.locator(SEND).isEnabled(), false, 'until the receipt is there nothing more is sent')
  await page.evaluate(bringBack)
  t.not(await page.locator(KEY).inputValue(), key)
  await page.click(SEND)
  await waitForRows('Again', 2)
})

t.test('without script: after a refusal without the form, going back finds what was typed', async (t) => {
  const { page } = await browser.open({ script: false })
  await fillIn(page, 'Back')
  await page.getByLabel('Message').fill('y'.repeat(70_000))
  await page.click(SEND)
  await page.getByRole('heading', { name: 'That was too much' }).waitFor()
  await page.goBack()
  t.equal(await page.getByLabel('Name').inputValue(), 'Back')
  t.equal((await page.getByLabel('Message').inputValue()).length, 70_000)
})

t.test('the status page says when the server is away, and goes on when it is back', async (t) => {
  const { page, faults } = await browser.open()
  const answer = await fetch(`${gateway.url}/async/contact`, {
    method: 'POST',
    body: new URLSearchParams({ name: 'W', email: 'w@example.org', message: 'w', consent: 'on' })
  })
  const location = answer.headers.get('location')
  await page.goto(gateway.url + location)
  await page.getByRole('heading', { name: 'Waiting' }).waitFor()
  const looks: number[] = []
  await page.route(`**${location}`, (route) => {
    looks.push(performance.now())
    return route.abort()
  })
  await page.getByText('The server is away at the moment').waitFor()
  const [first = 0, second = 0, third = 0] = await eventually(() => {
    if (looks.length < 3) throw new Error(`${looks.length} looks`)
    return looks
  })
  t.ok(third - second > 1.2 * (second - first), 'the pauses grow')
  await page.unrouteAll()
  await page.locator('#away').waitFor({ state: 'hidden' })
  t.equal(await page.getByRole('heading', { name: 'Waiting' }).isVisible(), true)
  t.strictSame(faults, [])
})

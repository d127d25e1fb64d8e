/** People with a browser, without script and with it, stored directly and through the queue, down to the row. */
import type { Page } from 'playwright-core'
import t from 'tap'
import { startBrowser } from '../helpers/browser.js'
import { eventually } from '../helpers/eventually.js'
import { startConsumer, startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'
import { findSubmissions } from '../helpers/submissions.js'

const browser = await startBrowser(t)
const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
const env = { DATABASE_URL: postgres.url, REDIS_URL: redis.url }
const [gateway, consumer] = await Promise.all([startGateway(t, env), startConsumer(t, env)])

const SEND = '[data-send]'
const data = (name: string) => ({ name, email: 'ada@example.org', message: 'Hello\nthere', consent: true })

async function fillIn(page: Page, mode: string, name: string) {
  await page.goto(`${gateway.url}/${mode}/`)
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

for (const script of [false, true]) {
  const how = script ? 'with script' : 'without script'

  t.test(`A2 A23 ${how}: a person corrects the form at /sync/ and gets a receipt of the stored row`, async (t) => {
    const name = `sync ${how}`
    const { page, faults } = await browser.open({ script })
    await fillIn(page, 'sync', name)
    await page.getByLabel('E-mail').fill('nope')
    await page.getByLabel('Age', { exact: true }).fill('old')
    await page.click(SEND)
    await page.waitForSelector('#summary:focus')
    t.equal(await page.getByLabel('E-mail').getAttribute('aria-invalid'), 'true')
    t.equal(await page.getByLabel('Age', { exact: true }).inputValue(), 'old')
    t.equal(await page.getByLabel('Message').inputValue(), 'Hello\nthere')
    t.equal(await page.getByLabel('You may store').isChecked(), true)
    t.strictSame(await findSubmissions(postgres.url, name), [])
    await page.getByRole('link', { name: 'Age: Must be a whole number' }).click()
    await page.waitForSelector('#field-age:focus')
    await page.keyboard.press('Control+A')
    await page.keyboard.type('36')
    await page.getByLabel('E-mail').fill('ada@example.org')
    await page.click(SEND)
    await page.waitForURL('**/sync/contact/*')
    t.match(await page.textContent('main'), 'Thank you for your message. We will answer by e-mail.')
    const [row] = await waitForRows(name, 1)
    t.match(row, { form: 'contact', mode: 'sync', data: { ...data(name), age: 36 } })
    t.match(page.url(), row?.id)
    t.strictSame(faults, [])
  })

  t.test(
    `A4 ${how}: a person sends at /async/, sees it wait while the consumer is away, and sees it done`,
    async (t) => {
      const name = `async ${how}`
      const { page, faults, requests } = await browser.open({ script })
      await consumer.kill('SIGTERM')
      await fillIn(page, 'async', name)
      await page.click(SEND)
      await page.waitForURL('**/async/contact/*')
      await page.getByRole('heading', { name: 'Waiting' }).waitFor()
      t.equal(await page.getByRole('progressbar').getAttribute('value'), null, 'how long it waits is not known')
      t.strictSame(await findSubmissions(postgres.url, name), [])
      const documents = requests.length
      await consumer.restart()
      await page.getByRole('heading', { name: 'Done' }).waitFor()
      t.equal(await page.getByRole('progressbar').getAttribute('value'), '100')
      const loads = requests.slice(documents).filter((url) => url.endsWith('.css')).length
      if (script) t.equal(loads, 0, 'the page was not loaded again')
      const [row] = await waitForRows(name, 1)
      t.match(row, { form: 'contact', mode: 'async', data: data(name) })
      t.match(page.url(), row?.id)
      t.strictSame(faults, [])
    }
  )

  t.test(`${how}: a double click stores one, and so does a reload of what was sent`, async () => {
    const name = `double ${how}`
    const { page } = await browser.open({ script })
    await fillIn(page, 'sync', name)
    await page.dblclick(SEND)
    await page.waitForURL('**/sync/contact/*')
    await page.reload()
    await page.waitForSelector('text=Reference')
    await waitForRows(name, 1)
  })

  t.test(`${how}: back, edit and send gives a second submission, with one more click at most`, async (t) => {
    const name = `edited ${how}`
    const { page } = await browser.open({ script })
    await fillIn(page, 'sync', name)
    await page.click(SEND)
    await page.waitForURL('**/sync/contact/*')
    await page.goBack()
    await page.waitForSelector(SEND)
    for (const [label, value] of [
      ['Name', name],
      ['E-mail', 'ada@example.org'],
      ['Message', 'Changed']
    ] as const) {
      await page.getByLabel(label).fill(value)
    }
    await page.getByLabel('You may store').check()
    await page.click(SEND)
    await Promise.race([page.waitForURL('**/sync/contact/*'), page.waitForSelector('#summary')])
    if (await page.locator('#summary').count()) {
      t.match(await page.textContent('#summary'), 'You sent this before, and changed it since')
      await page.click(SEND)
      await page.waitForURL('**/sync/contact/*')
    }
    const rows = await waitForRows(name, 2)
    t.strictSame(
      rows.map((row) => row.data.message),
      ['Hello\nthere', 'Changed']
    )
  })
}

t.test(
  'without script: a form sent twice from one page, the second time changed, says so and goes with one more click',
  async (t) => {
    const name = 'two tabs'
    const { page } = await browser.open({ script: false })
    await fillIn(page, 'sync', name)
    const key = await page.locator('[name=idempotency_key]').inputValue()
    const body = new URLSearchParams({ ...data(name), consent: 'on', idempotency_key: key })
    t.equal((await fetch(`${gateway.url}/sync/contact`, { method: 'POST', body })).status, 201)
    await page.getByLabel('Message').fill('Changed')
    await page.click(SEND)
    await page.waitForSelector('#summary')
    t.match(await page.textContent('#summary'), 'You sent this before, and changed it since')
    t.equal(await page.getByLabel('Message').inputValue(), 'Changed')
    t.not(await page.locator('[name=idempotency_key]').inputValue(), key)
    await page.click(SEND)
    await page.waitForURL('**/sync/contact/*')
    await waitForRows(name, 2)
  }
)

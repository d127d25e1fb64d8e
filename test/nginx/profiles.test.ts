import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { findNginx } from '../../infra/local/nginx.js'
import { eventually } from '../helpers/eventually.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { KEY, startConsumer, startGateway } from '../helpers/processes.js'
import { PROFILES, readProfile } from '../helpers/profiles.js'
import { CONTACT, clientOf, idOf, startServers } from '../helpers/stack.js'

t.setTimeout(200_000)

const run = promisify(execFile)
const START = join(import.meta.dirname, '../../../infra/nginx/start.sh')

const FIELDS = { name: CONTACT.name, email: CONTACT.email, message: CONTACT.message, consent: 'on' }

/** What people and programs do, through nginx: the same for every profile. */
async function journeys(t: Test, url: string) {
  const { get, post, postForm } = clientOf(() => url)

  await t.test('A1 A3 both form pages hold every field', async (t) => {
    for (const path of ['/sync/', '/async/']) {
      const page = await get(path, { accept: 'text/html' })
      t.equal(page.status, 200)
      const html = await page.text()
      t.match(html, /<form[^>]+method="post"/)
      for (const name of ['name', 'email', 'message', 'consent']) t.match(html, `name="${name}"`)
    }
  })
  await t.test('A2 a submission is stored directly, from a program and from a form', async (t) => {
    const stored = await post('/sync/', CONTACT)
    t.equal(stored.status, 201)
    t.equal((await get(`${stored.headers.get('location')}`)).status, 200)
    const sent = await postForm('/sync/', FIELDS, { accept: 'text/html' })
    t.equal(sent.status, 303)
    t.equal((await get(`${sent.headers.get('location')}`, { accept: 'text/html' })).status, 200)
  })
  await t.test('A4 a submission goes through the queue', async (t) => {
    const id = await idOf(await post('/async/', CONTACT))
    await eventually(async () => assert.match(await (await get(`/async/contact/${id}`)).text(), /"succeeded"/))
    t.pass('and is done')
  })
  await t.test('A23 a wrong one is refused, to programs and to people', async (t) => {
    const refused = await post('/sync/', { ...CONTACT, email: 'nowhere' })
    t.match(await refused.json(), { status: 422, errors: [{ pointer: '/email' }] })
    const page = await postForm('/sync/', { ...FIELDS, email: 'nowhere' }, { accept: 'text/html' })
    t.equal(page.status, 422)
    t.match(await page.text(), 'value="nowhere"')
  })
  await t.test('a key opens the jobs, which are waited for', async (t) => {
    const payload = { form: 'contact', data: CONTACT }
    t.equal((await post('/api/jobs/store-submission', payload)).status, 401)
    const done = await post('/api/jobs/store-submission', payload, { ...KEY, prefer: 'wait=20' })
    t.equal(done.status, 200)
    t.match(await done.json(), { submission_id: String })
  })
  await t.test('one key is one job, however often and wherever it is sent', async (t) => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => idOf(await post('/async/', CONTACT, { 'idempotency-key': 'twenty' })))
    )
    t.equal(new Set(ids).size, 1)
  })
  await t.test('B2 it is healthy and described', async (t) => {
    t.strictSame(await (await get('/api/health')).json(), { status: 'ok' })
    t.match(await (await get('/openapi.json')).json(), { openapi: '3.1.0' })
  })
}

for (const name of PROFILES) {
  t.test(`A6 the suite passes under the profile ${name}, through nginx`, { skip: withoutNginx }, async (t) => {
    const servers = await startServers(t)
    const { PORT, ...profile } = await readProfile(name)
    t.equal(profile.PROFILE, name)
    const env = { ...servers.env, ...profile, TRUST_PROXY: '127.0.0.1' }
    const [gateway] = await Promise.all([startGateway(t, env), startConsumer(t, env)])
    const nginx = await startNginx(t, { gateways: [gateway.url], env: { PROFILE: name } })
    await journeys(t, nginx.url)
  })
}

t.test(
  'A21 nginx takes the configuration of each profile, with times and connections of its own',
  { skip: withoutNginx },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'beeline-test-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const check = (env: Record<string, string>) =>
      run('sh', [START, 'check'], {
        env: {
          PATH: process.env.PATH,
          NGINX_PROGRAM,
          NGINX_DIR: folder,
          GATEWAYS: '127.0.0.1:1',
          ACCESS_LOG: join(folder, 'log'),
          ...env
        }
      })
    const NGINX_PROGRAM = (await findNginx()) ?? ''
    for (const PROFILE of PROFILES) {
      t.match(await check({ PROFILE }), { stderr: /test is successful/ }, PROFILE)
      const upstream = await readFile(join(folder, 'upstreams', `${PROFILE}.conf`), 'utf8')
      for (const directive of ['keepalive', 'proxy_connect_timeout', 'proxy_read_timeout', 'proxy_buffers']) {
        t.match(upstream, new RegExp(`^ *${directive} [^$]+;$`, 'm'), `${PROFILE}: ${directive}`)
      }
    }
    await t.rejects(check({ PROFILE: 'large' }), {
      code: 1,
      stderr: /PROFILE must be single, cluster or tuned, not large/
    })
    for (const [name, values, says] of [
      ['REQUESTS_PER_SECOND', ['many', '0', '1.5', '100000001', '99999999999'], 'a whole number from 1 to 100000000'],
      ['CONNECTIONS_PER_ADDRESS', ['many', '0', '65536'], 'a whole number from 1 to 65535'],
      ['DOMAIN', ['a;b', 'a|b', 'a&b', '"', 'a\nb'], 'a name such as bees.example, or several with commas']
    ] as const) {
      for (const value of values) {
        const refused = { code: 1, stderr: `nginx: ${name} must be ${says}\n` }
        await t.rejects(check({ [name]: value }), refused, `${name}=${value}`)
      }
    }
    for (const DOMAIN of ['bees.example', 'bees.example,*.bees.example, a-b_c.example'])
      t.match(await check({ DOMAIN }), { stderr: /test is successful/ }, DOMAIN)
  }
)

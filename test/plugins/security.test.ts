import t from 'tap'
import security from '#plugins/security'
import { createApp } from '../helpers/app.js'
import { inParallel } from '../helpers/in-parallel.js'
import { startGateway } from '../helpers/processes.js'
import { sendRaw } from '../helpers/raw-request.js'
import { CONTACT, clientOf, countRows, idOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t, { TRUST_PROXY: '127.0.0.1' })
const limited = await startGateway(t, { ...stack.env, SUBMISSIONS_PER_MINUTE: '5', TRUST_PROXY: '127.0.0.1' })
const strict = clientOf(() => limited.url)

t.test('B20 it registers alone', async (t) => {
  const app = createApp(t)
  await app.register(security, { secret: 'x'.repeat(32) })
  app.get('/', async () => 'here')
  const answer = await app.inject('/')
  t.match(answer.headers, { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
})

t.test(
  'the addresses of one IPv6 network count as one, in every spelling; IPv4 addresses each for themselves',
  async (t) => {
    const app = createApp(t)
    await app.register(security, { secret: 'x'.repeat(32) })
    app.get('/', async (request) => app.submitterOf(request))
    const of = async (remoteAddress: string) => (await app.inject({ url: '/', remoteAddress })).body
    t.equal(await of('2001:db8:0:1::1'), await of('2001:0DB8:0000:0001:ffff:1:2:3'))
    t.not(await of('2001:db8:0:1::1'), await of('2001:db8:0:2::1'))
    t.not(await of('192.0.2.1'), await of('192.0.2.2'))
    t.equal(await of('192.0.2.1'), await of('::ffff:192.0.2.1'))
    t.notMatch(await of('192.0.2.1'), /192/, 'the address itself is not kept')
  }
)

t.test(
  'A11 every answer carries the headers of protection: pages, JSON, errors, files, what is not there',
  async (t) => {
    const answers = {
      page: await stack.get('/sync/contact', { accept: 'text/html' }),
      'front page': await stack.get('/', { accept: 'text/html' }),
      health: await stack.get('/api/health'),
      stored: await stack.post('/sync/contact', CONTACT),
      refused: await stack.post('/sync/contact', {}),
      'refused page': await stack.postForm('/sync/contact', {}, { accept: 'text/html' }),
      'not there': await stack.get('/nowhere'),
      'page not there': await stack.get('/nowhere', { accept: 'text/html' }),
      'no such id': await stack.get('/api/jobs/01940000-0000-7000-8000-000000000000'),
      'bad address': await stack.get('/%zz'),
      'odd type': await stack.post('/sync/contact', CONTACT, { 'content-type': 'text/xml' }),
      'too large': await stack.post('/sync/contact', { ...CONTACT, message: 'm'.repeat(70_000) }),
      docs: await stack.get('/docs'),
      'a file of the docs': await stack.get('/docs/static/swagger-ui.css'),
      description: await stack.get('/openapi.json'),
      style: await stack.get(await findStyle())
    }
    for (const [name, { headers }] of Object.entries(answers)) {
      t.equal(headers.get('x-content-type-options'), 'nosniff', `${name}: nosniff`)
      t.equal(headers.get('x-frame-options'), 'DENY', `${name}: no frames`)
      t.equal(headers.get('referrer-policy'), 'same-origin', `${name}: referrer`)
      const policy = headers.get('content-security-policy') ?? ''
      t.match(policy, "default-src 'none'", `${name}: nothing is allowed that is not named`)
      t.match(policy, "frame-ancestors 'none'", `${name}: no frames`)
      t.notMatch(policy, /unsafe-inline|unsafe-eval|https?:|\*/, `${name}: no inline script, no other host`)
      t.notOk(headers.get('x-powered-by') ?? headers.get('server'), `${name}: no word on what serves it`)
      t.ok(headers.get('x-request-id'), `${name}: an id`)
    }
    t.match(answers.style.headers.get('cache-control'), /max-age=[1-9]/, 'A16 files may be kept')
    t.equal(answers.page.headers.get('cache-control'), 'no-store', 'a page with a key may not')
  }
)

/** The address of the style sheet that the pages load. */
async function findStyle(): Promise<string> {
  const page = await (await stack.get('/sync/contact', { accept: 'text/html' })).text()
  const [, style = ''] = /<link[^>]+href="([^"]+\.css[^"]*)"/.exec(page) ?? []
  return style
}

t.test('no page holds inline script or style, which the policy would block', async (t) => {
  for (const path of ['/', '/sync/contact', '/async/damage-report', '/docs']) {
    const page = await (await stack.get(path, { accept: 'text/html' })).text()
    t.notMatch(page, /<script(?![^>]*\bsrc=)[^>]*>\s*\S|<style|\sstyle="|\son[a-z]+="/i, path)
    t.notMatch(page, /(src|href)="(https?:)?\/\//i, `${path} loads nothing from another host`)
  }
})

t.test('a body beyond the limit is 413, at once, also when it comes in chunks', async (t) => {
  const before = await countRows(stack.sql)
  t.equal((await stack.post('/sync/contact', { ...CONTACT, message: 'm'.repeat(5_000) })).status, 201)
  for (const way of ['/sync/contact', '/async/contact']) {
    t.match(await (await stack.post(way, { ...CONTACT, message: 'm'.repeat(70_000) })).json(), {
      code: 'BODY_TOO_LARGE'
    })
    const head = [`POST ${way} HTTP/1.1`, 'Host: x', 'Content-Type: application/json', 'Transfer-Encoding: chunked']
    const chunk = `7530\r\n${' '.repeat(0x7530)}\r\n`
    t.match(await sendRaw(stack.gateway.url, [`${head.join('\r\n')}\r\n\r\n`, chunk, chunk, chunk]), /^HTTP\/1.1 413/)
  }
  t.equal((await countRows(stack.sql)).submissions, before.submissions + 1)
})

const from = (address: string) => ({ 'x-forwarded-for': address })

t.test('beyond its submissions a minute, an address is 429 with Retry-After, and others are not', async (t) => {
  const before = await countRows(stack.sql)
  // what is refused for another reason counts as well
  const ways = [
    '/sync/contact',
    '/sync/',
    '/async/contact',
    '/async/',
    '/sync/damage-report',
    '/sync/',
    '/async/contact'
  ]
  const statuses: number[] = []
  for (const way of ways) statuses.push((await strict.post(way, CONTACT, from('192.0.2.1'))).status)
  t.strictSame(statuses, [201, 201, 202, 202, 422, 429, 429], 'all ways in share one count')

  const refused = await strict.post('/sync/contact', CONTACT, from('192.0.2.1'))
  t.equal(refused.status, 429)
  const wait = Number(refused.headers.get('retry-after'))
  t.ok(wait >= 1 && wait <= 60, `it may come again in ${wait} s`)
  t.match(await refused.json(), { code: 'TOO_MANY_SUBMISSIONS' })
  t.equal((await strict.get('/sync/contact', from('192.0.2.1'))).status, 200, 'it may still read')

  t.equal((await strict.post('/sync/contact', CONTACT, from('192.0.2.2'))).status, 201, 'another address may send')
  const after = await countRows(stack.sql)
  t.equal(after.submissions - before.submissions, 3, 'what was refused is not stored')
  t.equal(after.jobs - before.jobs, 2)
})

t.test('the limit counts addresses as the trusted proxy tells them, and nobody else', async (t) => {
  const untrusting = await startGateway(t, { ...stack.env, SUBMISSIONS_PER_MINUTE: '3', REDIS_PREFIX: 'apart' })
  const { post } = clientOf(() => untrusting.url)
  const answers = await inParallel([1, 2, 3, 4, 5, 6, 7, 8], (i) =>
    post('/sync/contact', CONTACT, from(`198.51.100.${i}`))
  )
  t.equal(answers.filter(({ status }) => status === 201).length, 3, 'forged addresses do not help')
  t.equal(answers.filter(({ status }) => status === 429).length, 5)
})

t.test('the trap for programs: who fills the hidden field stores nothing', async (t) => {
  const fields = { name: 'Bot', email: 'bot@example.org', message: 'buy', consent: 'on' }
  const before = await countRows(stack.sql)
  for (const way of ['/sync/contact', '/async/contact']) {
    const answer = await stack.postForm(way, { ...fields, website: 'https://spam.example' })
    t.equal(answer.status, 422)
    t.match(await answer.json(), { code: 'TRAPPED' })
  }
  t.strictSame(await countRows(stack.sql), before)
  t.equal((await stack.postForm('/sync/contact', { ...fields, website: '' })).status, 201, 'left empty it does no harm')
})

t.test('addresses are kept only as keyed hashes', async (t) => {
  const ids: string[] = []
  for (const end of [77, 77, 78])
    ids.push(await idOf(await stack.post('/async/contact', CONTACT, from(`203.0.113.${end}`))))
  const rows = await stack.sql<{ submitter: string; n: number }>(
    'select submitter, count(*)::int as n from jobs where id = any($1) group by submitter order by n desc',
    [ids]
  )
  t.strictSame(
    rows.map(({ n }) => n),
    [2, 1],
    'the same address is the same submitter'
  )
  for (const { submitter } of rows) {
    t.match(submitter, /^ip:[\w-]{22}$/)
    t.notMatch(submitter, '203.0.113')
  }
})

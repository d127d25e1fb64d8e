import { Validator } from '@seriousme/openapi-schema-validator'
import Fastify from 'fastify'
import pg from 'pg'
import t from 'tap'
import home from '#plugins/home'
import pages from '#plugins/pages'
import problems from '#plugins/problems'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { BROWSER, contact, formPagesOf, keyOf } from '../helpers/form-pages.js'
import { startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'

const TOKEN = `loaderio-${'0123456789abcdef'.repeat(2)}`

const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
const gateway = await startGateway(t, {
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  LOADERIO_TOKEN: TOKEN,
  TRUST_PROXY: '127.0.0.1'
})
const { forms } = buildRegistry(await loadDefinitions())
const { get, submit } = formPagesOf(gateway)

interface Index {
  forms: { title: string; sync: string; async: string }[]
  docs: string
  openapi: string
  health: string
}

t.test('A1 A3 the form pages hold every field of the definition, and the default form has no name', async (t) => {
  for (const form of forms.values()) {
    for (const mode of ['sync', 'async']) {
      const answer = await get(`/${mode}/${form.name}`)
      const html = await answer.text()
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8')
      t.match(html, `<form method="post" action="/${mode}/${form.name}"`)
      for (const name of Object.keys(form.fields)) {
        t.match(html, `id="field-${name}" name="${name}"`)
        t.match(html, new RegExp(`<label for="field-${name}"`), `${name} has a label`)
      }
    }
  }
  for (const path of ['/sync/', '/async/', '/sync', '/async']) {
    // as curl asks
    const answer = await get(path, { accept: '*/*' })
    t.match(await answer.text(), `action="${path.replace(/\/$/, '')}/contact"`)
    t.match(answer.headers.get('content-type'), /^text\/html/)
  }
})

t.test('a page that carries a key is not stored by anybody, and its key is fresh', async (t) => {
  const answers = await Promise.all([get('/sync/'), get('/sync/'), get('/async/contact')])
  t.strictSame(
    answers.map(({ headers }) => headers.get('cache-control')),
    ['no-store', 'no-store', 'no-store']
  )
  const keys = (await Promise.all(answers.map((answer) => answer.text()))).map(keyOf)
  t.equal(new Set(keys).size, 3)
  for (const key of keys) t.match(key, /^[0-9a-f-]{36}$/)
})

t.test('A16 a page loads its files from here, each with a year of cache and an ETag', async (t) => {
  const html = await (await get('/sync/contact')).text()
  const files = [...html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map(([, path = '']) => path)
  t.match(files.join(), /pico\.css.*site\.css.*htmx\.js.*form\.js/)
  t.notMatch(html, /(src|href|action)="(https?:)?\/\//, 'nothing comes from another host')
  for (const path of files) {
    const answer = await get(path)
    t.equal(answer.status, 200, path)
    t.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable')
    if (!path.endsWith('.svg'))
      t.match(answer.headers.get('content-type'), /^(text\/css|application\/javascript); charset=utf-8$/)
    const etag = answer.headers.get('etag') ?? ''
    const again = await get(path, { 'if-none-match': etag, 'cache-control': 'max-age=0' }) // fetch would say no-cache
    t.equal(again.status, 304)
  }
  t.equal((await get('/static/site.css')).status, 404, 'only the address of this very content is known')
  t.equal((await get('/static/../package.json')).status, 404)
})

t.test('A16 the token file of loader.io is served when it is configured', async (t) => {
  for (const path of [`/${TOKEN}.txt`, `/${TOKEN}/`]) {
    const answer = await get(path)
    t.equal(await answer.text(), TOKEN)
    t.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
  }
  t.equal((await get('/loaderio-00.txt')).status, 404)
})

t.test('the kind of answer follows the Accept header with its quality values', async (t) => {
  const kinds: [accept: string, receipt: string, form: string][] = [
    [BROWSER, 'text/html', 'text/html'],
    ['text/html', 'text/html', 'text/html'],
    ['TEXT/HTML', 'text/html', 'text/html'],
    ['application/json', 'application/json', 'application/json'],
    ['*/*', 'application/json', 'text/html'],
    ['', 'application/json', 'text/html'],
    ['text/html;q=0', 'application/json', 'text/html'],
    ['text/html;q=0, application/json', 'application/json', 'application/json'],
    ['application/json, text/html;q=0.5', 'application/json', 'application/json'],
    ['text/html, application/json;q=0.5', 'text/html', 'text/html'],
    ['image/png', 'application/json', 'text/html']
  ]
  const stored = await submit('/sync/contact', contact('Negotiator'))
  const receipt = stored.headers.get('location') ?? ''
  for (const [accept, ofReceipt, ofForm] of kinds) {
    const kind = async (path: string) => (await get(path, { accept })).headers.get('content-type')?.split(';')[0]
    t.equal(await kind(receipt), ofReceipt, `receipt for "${accept}"`)
    t.equal(await kind('/async/contact'), ofForm, `form for "${accept}"`)
    t.equal(await kind('/'), ofForm, `home for "${accept}"`)
  }
})

t.test('the home page lists the forms with both ways in; a program gets the same as JSON', async (t) => {
  const html = await (await get('/')).text()
  const index = (await (await get('/', { accept: 'application/json' })).json()) as Index // checked by the match below
  t.match(index, { name: 'Beeline', docs: '/docs', openapi: '/openapi.json', health: '/api/health' })
  t.equal(index.forms.length, forms.size)
  for (const { title, sync, async } of index.forms) {
    t.match(html, title)
    t.match(html, `href="${sync}"`)
    t.match(html, `href="${async}"`)
    t.match(await (await get(sync, { accept: 'application/json' })).json(), { title, schema: { type: 'object' } })
  }
  for (const path of [index.docs, index.openapi, index.health]) t.equal((await get(path)).status, 200, path)
})

t.test('the home page says so when there is no form yet', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorateRequest('principal', null).decorateRequest('csrfToken', () => '')
  app.decorateReply('shared', function () {
    return this
  })
  await app.register(problems).register(pages, { name: 'Test' })
  await app.register(home, { name: 'Test', description: '', registry: { forms: new Map(), jobs: new Map() } })
  const answer = await app.inject({ url: '/', headers: { accept: BROWSER } })
  t.match(answer.body, 'There is no form yet')
})

t.test('an id that is unknown or none, and an unknown place, give a page or a problem', async (t) => {
  const places: [string, number, string][] = [
    ['/sync/contact/019a0000-0000-7000-8000-000000000000', 404, 'SUBMISSION_NOT_FOUND'],
    ['/async/contact/019a0000-0000-7000-8000-000000000000', 404, 'SUBMISSION_NOT_FOUND'],
    ['/async/contact/7', 400, 'INVALID_PARAMS'],
    ['/sync/no-such-form', 404, 'NOT_FOUND'],
    ['/<script>alert(1)</script>', 404, 'NOT_FOUND']
  ]
  for (const [path, status, code] of places) {
    const page = await get(path)
    const html = await page.text()
    t.equal(page.status, status)
    t.match(html, /<h1>[A-Z]/)
    t.match(html, /<p>[A-Z][^<]*\.<\/p>/, 'a sentence says what is wrong')
    t.match(html, code)
    t.notMatch(html, '<script>alert')
    const problem = await get(path, {})
    t.match(await problem.json(), { status, code })
  }
})

t.test('the status page tells each state, how far the job is, and looks again while it is open', async (t) => {
  const path = (await submit('/async/contact', contact('Stateful'))).headers.get('location') ?? ''
  const owner = new pg.Client({ connectionString: postgres.ownerUrl })
  await owner.connect()
  t.teardown(() => owner.end())
  const states: [change: string, open: boolean, shown: RegExp][] = [
    ["state = 'queued'", true, /Waiting<[\s\S]*<progress id="bar" aria-labelledby="state" max="100"><\/progress>/],
    ["state = 'queued', attempts = 1", true, /Waiting<[\s\S]*tried again by itself/],
    ["state = 'active', progress = 40, started_at = now()", true, /In progress<[\s\S]*max="100" value="40">/],
    ["state = 'succeeded', finished_at = now()", false, /Done<[\s\S]*value="100">[\s\S]*Finished</],
    ["state = 'dead'", false, /Not done<[\s\S]*tell us the reference/],
    ["state = 'cancelled'", false, /Cancelled</],
    ["state = 'expired'", false, /Expired</]
  ]
  for (const [change, open, shown] of states) {
    await owner.query(`update jobs set ${change} where id = $1`, [path.split('/').at(-1)])
    const html = await (await get(path)).text()
    t.match(html, shown, change)
    t.equal(html.includes('<noscript><meta http-equiv="refresh" content="2"></noscript>'), open)
    t.equal(html.includes('data-open'), open)
    t.notMatch(html, /ada@example|Hello|Stateful/, 'never what was typed')
  }
})

t.test('E7 the API description is valid, names the forms, and is found at its old address', async (t) => {
  // validated below
  const spec = (await (await get('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { responses: object }>>
  }
  const { valid, errors } = await new Validator().validate(spec)
  t.ok(valid, JSON.stringify(errors))
  for (const name of forms.keys()) t.ok(spec.paths[`/async/${name}`]?.post)
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const [method, { responses }] of Object.entries(operations))
      t.match(Object.keys(responses).join(' '), /\b[23]\d\d\b/, `${method} ${path} says what success is`)
  }
  t.match(await (await fetch(`${gateway.url}/api/doc`)).text(), 'swagger-ui')
})

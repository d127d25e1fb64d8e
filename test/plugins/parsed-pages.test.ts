import type { RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import outside from '#plugins/outside'
import parsedPages from '#plugins/parsed-pages'
import { compile } from '#schema/compile'
import parsePage from '#schema/jobs/parse-page'
import { createParser } from '../../plugins/parsed-pages/parser.js'
import { createRobots } from '../../plugins/parsed-pages/robots.js'
import { createApp } from '../helpers/app.js'
import { type Failure, startSite } from '../helpers/outside-app.js'

const HTML = { 'content-type': 'text/html; charset=utf-8' }
const check = compile(parsePage.result)

/** The plugin and the way out, on a site whose robots.txt is missing unless the listener answers for it. */
async function createPages(t: Test, answer: RequestListener, robots?: RequestListener) {
  const site = await startSite(t, (request, response) => {
    if (request.url !== '/robots.txt') return answer(request, response)
    if (robots) robots(request, response)
    else response.writeHead(404).end()
  })
  const app = createApp(t)
  app.register(outside, { allow: `127.0.0.1:${site.port}`, userAgent: 'Beeline/1' })
  app.register(parsedPages)
  await app.ready()
  const { parse } = app.parsedPages
  const fail = (path: string, signal?: AbortSignal) =>
    parse({ url: site.url + path }, signal).then(
      () => Promise.reject(new Error(`${path} was parsed`)),
      (error: Failure) => error
    )
  const paths = () => site.requests.map(({ url }) => url)
  return { app, site, parse, fail, paths }
}

t.test(
  'C3 a page is fetched through redirects, unpacked, decoded and parsed; the result fits its schema',
  async (t) => {
    const { site, parse, paths } = await createPages(t, ({ url }, response) => {
      if (url === '/old') return void response.writeHead(301, { location: '/new/' }).end()
      const body = Buffer.from('<title>Stra\xdfe</title><a href="x">y</a>', 'latin1')
      response
        .writeHead(203, { 'content-type': 'text/html; charset=latin1', 'content-encoding': 'gzip' })
        .end(gzipSync(body))
    })
    const page = await parse({ url: `${site.url}/old` })
    t.match(page, {
      url: `${site.url}/old`,
      final_url: `${site.url}/new/`,
      status: 203,
      charset: 'windows-1252',
      title: 'Straße',
      links: [{ url: `${site.url}/new/x`, text: 'y' }]
    })
    t.equal(check(page).errors, undefined)
    t.strictSame(paths(), ['/robots.txt', '/old', '/new/'], 'robots.txt is read once')
    t.match(site.requests[1]?.headers, { 'user-agent': 'Beeline/1', accept: 'text/html, application/xhtml+xml' })
  }
)

t.test('C2 a document is parsed without a call to anybody', async (t) => {
  const { parse, site } = await createPages(t, (_, response) => response.end())
  const page = await parse({ document: '<title>T</title><a href=x>y</a>', base_url: 'http://127.0.0.2/a/' })
  t.match(page, {
    url: null,
    final_url: 'http://127.0.0.2/a/',
    status: null,
    title: 'T',
    links: [{ url: 'http://127.0.0.2/a/x' }]
  })
  t.equal(check(page).errors, undefined)
  t.match(await parse({ document: '<a href=x>y</a>' }), { final_url: null, links: [], counts: { links: 1 } })
  t.equal(site.connections(), 0)
})

t.test('only HTML is read, and every other ending has its code', async (t) => {
  const types: Record<string, string> = {
    plain: 'text/plain',
    json: 'application/json',
    pdf: 'application/pdf',
    none: '',
    lookalike: 'text/html-x',
    image: 'image/png'
  }
  const { fail, parse, site } = await createPages(t, ({ url = '' }, response) => {
    const name = url.slice(1)
    if (/^\d+$/.test(name)) return void response.writeHead(Number(name), HTML).end('<p>x')
    if (name === 'xhtml')
      return void response
        .writeHead(200, { 'content-type': 'application/xhtml+xml' })
        .end('<html><title/><p>x</p></html>')
    if (name === 'large') return void response.writeHead(200, HTML).end('x'.repeat(3_000_000))
    if (name === 'loop') return void response.writeHead(302, { location: '/loop' }).end()
    if (types[name]) response.setHeader('content-type', types[name])
    response.end('<p>x')
  })
  for (const name of Object.keys(types)) t.match(await fail(`/${name}`), { code: 'NOT_HTML', passing: false }, name)
  t.match(await parse({ url: `${site.url}/xhtml` }), { excerpt: 'x' })
  t.match(await fail('/404'), { code: 'PAGE_NOT_FOUND', passing: false })
  t.match(await fail('/410'), { code: 'PAGE_NOT_FOUND', passing: false })
  for (const status of [400, 401, 403, 451])
    t.match(await fail(`/${status}`), { code: 'PAGE_REFUSED', passing: false }, `${status}`)
  t.match(await fail('/429'), { code: 'UPSTREAM_BUSY', passing: true })
  t.match(await fail('/500'), { code: 'UPSTREAM_FAILED', passing: true })
  t.match(await fail('/large'), { code: 'TOO_LARGE', passing: false })
  t.match(await fail('/loop'), { code: 'TOO_MANY_REDIRECTS', passing: false })
})

t.test('robots.txt: what it forbids is not fetched, by our name or for all, at each hop', async (t) => {
  const rules = 'User-agent: *\nDisallow: /private\nAllow: /private/but\n\nUser-agent: other\nDisallow: /\n'
  const page: RequestListener = ({ url }, response) => {
    if (url === '/to-private') response.writeHead(302, { location: '/private/x' })
    else response.writeHead(200, HTML)
    response.end('<p>x')
  }
  const { fail, parse, site, paths } = await createPages(t, page, (_, response) => response.end(rules))
  for (const path of ['/private', '/private/x?y=1', '/privateer', '/to-private'])
    t.match(await fail(path), { code: 'ROBOTS_DISALLOWED', passing: false }, path)
  for (const path of ['/', '/public', '/private/but/this'])
    t.match(await parse({ url: site.url + path }), { status: 200 }, path)
  t.strictSame(paths(), ['/robots.txt', '/to-private', '/', '/public', '/private/but/this'], 'it is asked for once')

  const named = await createPages(t, page, (_, response) => response.end('User-agent: beeline\nDisallow: /\n'))
  t.match(await named.fail('/x'), { code: 'ROBOTS_DISALLOWED' })
})

t.test('robots.txt: a 4xx, nonsense and emptiness allow all; a 5xx and silence ask to come later', async (t) => {
  const page: RequestListener = (_, response) => response.writeHead(200, HTML).end('<p>x')
  const allowing: Record<string, RequestListener> = {
    404: (_, response) => response.writeHead(404).end('User-agent: *\nDisallow: /'),
    403: (_, response) => response.writeHead(403).end(),
    'a page': (_, response) => response.end('<html><p>not found'),
    nothing: (_, response) => response.end(),
    'only others': (_, response) => response.end('User-agent: x\nDisallow: /'),
    'endless redirects': (_, response) => response.writeHead(302, { location: '/robots.txt' }).end(),
    'bytes that are no text': (_, response) => response.end(Buffer.from([0, 255, 254, 10, 13, 0])),
    'too long, forbidden at the end': (_, response) =>
      response.end(`${'# bees\n'.repeat(100_000)}User-agent: *\nDisallow: /`)
  }
  for (const [kind, robots] of Object.entries(allowing)) {
    const { parse, site } = await createPages(t, page, robots)
    t.match(await parse({ url: `${site.url}/x` }), { status: 200 }, kind)
  }
  let broken = true
  const { fail, parse, site } = await createPages(t, page, (_, response) =>
    response.writeHead(broken ? 500 : 404).end()
  )
  t.match(await fail('/x'), { code: 'UPSTREAM_FAILED', passing: true })
  t.ok(
    site.requests.every(({ url }) => url === '/robots.txt'),
    'the page is not asked for'
  )
  broken = false
  t.match(await parse({ url: `${site.url}/x` }), { status: 200 }, 'a failure is not remembered')
})

t.test(
  'robots.txt is remembered for a while, for some sites, and fetched once for those who come together',
  async (t) => {
    const asked: string[] = []
    let now = 0
    const parser = createParser()
    t.teardown(parser.close)
    const robots = createRobots({
      request: async (address) => {
        asked.push(String(address))
        return { url: new URL(address), status: 200, headers: {}, body: Buffer.from('User-agent: *\nDisallow: /no') }
      },
      parser,
      agent: 'Beeline',
      keepMs: 1_000,
      mostSites: 2,
      now: () => now
    })
    const ask = (url: string) => robots(new URL(url))
    await Promise.all([
      ask('http://a.test/'),
      ask('http://a.test/x'),
      t.rejects(ask('http://a.test/no'), { code: 'ROBOTS_DISALLOWED' })
    ])
    await ask('https://a.test/')
    t.strictSame(asked, ['http://a.test/robots.txt', 'https://a.test/robots.txt'], 'once for each origin')
    now = 1_001
    await ask('http://a.test/')
    t.equal(asked.length, 3)
    await ask('http://b.test/')
    await ask('http://c.test/')
    t.equal(asked.length, 5)
    await ask('http://a.test/')
    t.equal(asked.length, 6, 'the oldest was forgotten')
  }
)

t.test('a page made to take minutes is given up, and the event loop does not wait for it', async (t) => {
  const parser = createParser({ mostMs: 1_500 })
  t.teardown(parser.close)
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 10)
  t.teardown(() => clearInterval(timer))
  const slow = { html: `${'<p><a>'.repeat(85_000)}${'</p>'.repeat(130_000)}` }
  const [first, second, third] = await Promise.allSettled([
    parser.extract(slow),
    parser.extract(slow),
    parser.extract({ html: '<title>T</title>' })
  ])
  for (const ended of [first, second])
    t.match(ended, { status: 'rejected', reason: { code: 'PAGE_TOO_COMPLEX', passing: true } })
  t.match(third, { status: 'fulfilled', value: { title: 'T' } }, 'others are parsed afterwards')
  t.ok(turns > 20, `the event loop went on: ${turns} turns`)

  const controller = new AbortController()
  const call = parser.extract(slow, controller.signal)
  controller.abort(new Error('cancelled'))
  await t.rejects(call, { message: 'cancelled' })
  t.match(await parser.extract({ html: '<title>T</title>' }), { title: 'T' })
})

t.test('what is aborted while it waits for a thread ends at once', async (t) => {
  const parser = createParser({ threads: 1, mostMs: 3_000 })
  t.teardown(() => parser.close())
  const ended: string[] = []
  const long = parser
    .extract({ html: '<div>'.repeat(100_000) + '</x>'.repeat(100_000) })
    .catch(() => ended.push('the one before it'))
  const controller = new AbortController()
  const short = parser.extract({ html: 'x' }, controller.signal).catch((reason) => ended.push(reason))
  controller.abort('aborted')
  await Promise.all([long, short])
  t.strictSame(ended, ['aborted', 'the one before it'])
})

t.test('what is aborted while its thread starts is not parsed, and the thread is kept for the next', async (t) => {
  const parser = createParser()
  t.teardown(() => parser.close())
  const controller = new AbortController()
  const parsing = parser.extract({ html: '<title>x</title>' }, controller.signal)
  setImmediate(() => controller.abort('aborted'))
  t.equal(await parsing.catch((reason) => reason), 'aborted')
  t.match(await parser.extract({ html: '<title>next</title>' }), { title: 'next' })
})

t.test('a page that takes too much memory is given up alone', async (t) => {
  const parser = createParser({ mostMb: 24, mostMs: 20_000 })
  t.teardown(parser.close)
  await t.rejects(parser.extract({ html: '<i>x</i>'.repeat(260_000) }), { code: 'PAGE_TOO_COMPLEX', passing: false })
  t.match(await parser.extract({ html: '<title>T</title>' }), { title: 'T' })
})

t.test('an error of the parsing is told as what it is, and the next page is parsed', async (t) => {
  const parser = createParser()
  t.teardown(parser.close)
  // @ts-expect-error: no text makes it throw
  await t.rejects(parser.extract({ html: 5 }), { name: 'TypeError' })
  t.match(await parser.extract({ html: '<title>T</title>' }), { title: 'T' })
})

import t from 'tap'
import { KEY } from '../helpers/processes.js'
import { CONTACT, startStack } from '../helpers/stack.js'

const FRIEND = 'https://app.example'
const stack = await startStack(t, { CORS_ORIGINS: `${FRIEND}, http://localhost:5173` })
const own = stack.gateway.url

const preflight = (path: string, origin: string) =>
  fetch(stack.gateway.url + path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'DELETE',
      'access-control-request-headers': 'authorization, x-strange'
    }
  })

t.test('C12 an origin of the list may call with credentials, and is told what it asked for', async (t) => {
  for (const origin of [FRIEND, 'http://localhost:5173']) {
    const { headers } = await preflight('/api/jobs', origin)
    t.equal(headers.get('access-control-allow-origin'), origin)
    t.equal(headers.get('access-control-allow-credentials'), 'true')
    t.equal(headers.get('access-control-allow-headers'), 'authorization, x-strange')
    t.match(headers.get('access-control-allow-methods'), 'DELETE')
    t.match(headers.get('vary'), /origin/i)
    const answer = await stack.get('/api/jobs', { ...KEY, origin })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('access-control-allow-origin'), origin)
    t.match(answer.headers.get('access-control-expose-headers'), 'location')
    t.equal((await stack.get('/api/jobs', { origin })).headers.get('access-control-allow-origin'), origin, 'errors too')
  }
})

t.test('C12 what depends on the origin says so, also in answers that depend on more', async (t) => {
  for (const [path, accept] of [
    ['/api/jobs', 'application/json'],
    ['/api/jobs', 'text/html'],
    ['/sync/contact', 'text/html'],
    ['/nothing', 'text/html'],
    ['/', 'application/json']
  ] as const) {
    for (const origin of [FRIEND, own]) {
      const answer = await stack.get(path, { accept, origin })
      t.match(answer.headers.get('vary'), /\borigin\b/, `${path} ${accept}`)
      if (path === '/') t.match(answer.headers.get('vary'), /\baccept\b/)
    }
  }
})

t.test('C12 no other origin is ever echoed', async (t) => {
  const others = [
    ...[
      'https://evil.example',
      'null',
      'https://app.example.evil.example',
      'https://sub.app.example',
      'http://app.example'
    ],
    ...[
      'https://app.example:444',
      'https://app.example/',
      'HTTPS://APP.EXAMPLE',
      'https://app.exampl',
      '*',
      'https://app.example,',
      own
    ]
  ]
  for (const origin of others) {
    for (const answer of [await preflight('/api/jobs', origin), await stack.get('/api/jobs', { ...KEY, origin })]) {
      for (const [name] of answer.headers) t.notMatch(name, /^access-control/, `${origin}: ${name}`)
    }
  }
})

t.test('C13 OPTIONS on any path is 204 and empty', async (t) => {
  for (const path of ['/api/jobs', '/api/jobs/x', '/api/oauth/token', '/sync/contact', '/nowhere', '/api/users/me']) {
    for (const origin of [FRIEND, 'https://evil.example']) {
      const answer = await preflight(path, origin)
      t.equal(answer.status, 204, path)
      t.equal(await answer.text(), '')
    }
  }
  t.equal((await fetch(`${own}/api/jobs`, { method: 'OPTIONS' })).status, 204)
})

t.test(
  'what another site’s page sends in its visitor’s browser is refused; our own pages and programs are not',
  async (t) => {
    const form = { name: 'Ada', email: 'ada@example.org', message: 'Hello', consent: 'on' }
    for (const origin of [
      'https://evil.example',
      'null',
      `${own}.evil.example`,
      'nonsense',
      FRIEND.replace('app', 'sub.app')
    ]) {
      for (const path of ['/sync/contact', '/async/contact', '/api/oauth/token']) {
        const answer = await stack.postForm(path, form, { origin })
        t.equal(answer.status, 403, `${origin} ${path}`)
        t.match(await answer.json(), { code: 'ORIGIN_MISMATCH' })
        const basic = await stack.postForm(path, form, { origin, authorization: 'Basic cHJveHk6c2VjcmV0' })
        t.equal(basic.status, 403, 'a browser adds the Basic of a proxy by itself')
      }
    }
    t.strictSame(await stack.sql('select from submissions'), [], 'nothing was stored')
    const good: Record<string, string>[] = [
      {},
      { origin: own },
      { origin: FRIEND },
      { ...KEY, origin: 'https://evil.example' }
    ]
    for (const headers of good) {
      t.equal((await stack.post('/sync/contact', CONTACT, headers)).status, 201, JSON.stringify(headers))
    }
    t.equal((await stack.get('/sync/contact', { origin: 'https://evil.example' })).status, 200, 'reading is open')
  }
)

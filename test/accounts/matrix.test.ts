/**
 * Every route that the description has, asked by everyone: nobody, the owner, another user, an operator, and with credentials that have
 * expired, were revoked, or are for something else. A new route without a row here fails.
 */
import { createHmac } from 'node:crypto'
import t from 'tap'
import { Value } from 'typebox/value'
import { Problem } from '#schema/problem'
import { keyFor } from '../../plugins/auth/secrets.js'
import { bearer, createUser, logIn } from '../helpers/accounts.js'
import { CONTACT, startStack } from '../helpers/stack.js'

const SECRET_KEY = 'a-secret-for-tests-of-at-least-32-characters'
const stack = await startStack(t, { OPEN_REGISTRATION: 'true', SECRET_KEY })
await Promise.all([createUser(stack, 'ada'), createUser(stack, 'grace'), createUser(stack, 'olga', 'operator')])

type Access = 'public' | 'open' | 'private' | 'operators'

interface Row {
  access: Access
  /** What the owner gets. */
  own: number
  /** What others get, where that is something else. Default `own`. */
  stranger?: number
  operator?: number
  anonymous?: number
  /** What it takes. Default: `read` to read, `write` for all else. */
  scope?: string
  json?: unknown
  form?: Record<string, string>
}

const row = (access: Access, own: number, more: Partial<Row> = {}): Row => ({ access, own, ...more })
/** What is one's own: a stranger finds nothing, an operator everything. */
const owned = (own: number, more: Partial<Row> = {}) => row('private', own, { stranger: 404, ...more })
/** What is one's own and no operator's business. */
const personal = (own: number, more: Partial<Row> = {}) => owned(own, { operator: 404, ...more })
const account = { scope: 'account' }
/** What a user sent, at an address of the open part. */
const hidden = { stranger: 404, anonymous: 404 }
/** A page that sends who is not logged in away. */
const page = (own: number, more: Partial<Row> = {}) => row('open', own, { anonymous: 303, ...account, ...more })

const SUBMISSION = { form: 'contact', data: CONTACT }
const DOCUMENT = { document: '<title>Bees</title>', base_url: 'https://example.org/' }
const FORMS: Record<string, object> = {
  contact: CONTACT,
  'damage-report': {
    place: 'Hive Lane 6',
    kind: 'light',
    urgency: 'low',
    seen_on: '2025-10-19',
    description: 'It flickers.'
  },
  'event-registration': {}
}

const ROWS: Record<string, Row> = {
  'GET /healthz': row('public', 200),
  'GET /readyz': row('public', 200),
  'GET /api/health': row('public', 200),
  'GET /': row('open', 200),
  'GET /login': row('open', 200),
  'POST /login': row('open', 422, { form: { username: 'nobody', password: 'not right' } }),
  'POST /logout': row('open', 303, { form: {} }),
  'GET /password': row('open', 200),
  'POST /password': row('open', 410, { form: { token: 'x', password: 'warm honey on toast' } }),
  'GET /account': page(200),
  'POST /account/password': page(422, { form: { current: 'not right', password: 'warm honey on toast' } }),
  'POST /account/keys': page(200, { form: { name: 'x', may: 'read' } }),
  'POST /account/keys/{id}/revoke': page(303, { form: {}, stranger: 404, operator: 404 }),
  'POST /account/sessions/{id}/end': page(303, { form: {}, stranger: 404, operator: 404 }),
  ...Object.fromEntries(
    Object.entries(FORMS).flatMap(([form, json]) => {
      const empty = Object.keys(json).length === 0
      return [
        [`GET /sync/${form}`, row('open', 200)],
        [`POST /sync/${form}`, row('open', empty ? 422 : 201, { json })],
        [`GET /async/${form}`, row('open', 200)],
        [`POST /async/${form}`, row('open', empty ? 422 : 202, { json })],
        [`GET /sync/${form}/{id}`, form === 'contact' ? row('open', 200, hidden) : row('open', 404)],
        [`GET /async/${form}/{id}`, form === 'contact' ? row('open', 200, hidden) : row('open', 404)]
      ]
    })
  ),
  'POST /api/oauth/token': row('public', 400, { form: { grant_type: 'refresh_token', refresh_token: 'x' } }),
  'POST /api/oauth/revoke': row('public', 200, { form: { token: 'x' } }),
  'GET /.well-known/oauth-authorization-server': row('public', 200),
  'POST /api/users': row('public', 422, { json: { username: 'x', password: 'password' } }),
  'POST /api/users/password': row('public', 410, { json: { token: 'x', password: 'warm honey on toast' } }),
  'GET /api/users/me': row('private', 200),
  'PUT /api/users/me/password': row('private', 422, {
    json: { current: 'not right', password: 'warm honey on toast' },
    ...account
  }),
  'GET /api/users/me/sessions': row('private', 200, account),
  'DELETE /api/users/me/sessions/{id}': personal(204, account),
  'GET /api/users/me/keys': row('private', 200, account),
  'POST /api/users/me/keys': row('private', 201, { json: { name: 'x' }, ...account }),
  'DELETE /api/users/me/keys/{id}': personal(204, account),
  'POST /api/jobs/parse-page': row('private', 202, { json: DOCUMENT }),
  'POST /api/jobs/parse-page/async': row('private', 202, { json: DOCUMENT }),
  'POST /api/jobs/parse-page/batch': row('private', 202, { json: [DOCUMENT] }),
  'POST /api/jobs/store-submission': row('private', 202, { json: SUBMISSION }),
  'POST /api/jobs/store-submission/async': row('private', 202, { json: SUBMISSION }),
  'POST /api/jobs/store-submission/batch': row('private', 202, { json: [SUBMISSION] }),
  'GET /api/jobs': row('private', 200),
  'GET /api/jobs/balance': row('operators', 200),
  'POST /api/jobs/replay': row('private', 200, { json: { dry_run: true } }),
  'GET /api/jobs/{id}': owned(200),
  'DELETE /api/jobs/{id}': owned(204),
  'GET /api/jobs/{id}/result': owned(202),
  'GET /api/jobs/{id}/events': owned(200),
  'GET /api/jobs/{id}/attempts': owned(200),
  'POST /api/jobs/{id}/replay': owned(409, { json: {} }),
  'GET /api/submissions': row('private', 200),
  'GET /api/submissions/{id}': owned(200),
  'GET /api/tasks': row('private', 200),
  'POST /api/tasks': row('private', 201, { json: { title: 'Look after the bees' } }),
  'GET /api/tasks/{id}': personal(200),
  'PUT /api/tasks/{id}': personal(200, { json: { title: 'Look again' } }),
  'PATCH /api/tasks/{id}': personal(200, { json: { is_done: true } }),
  'DELETE /api/tasks/{id}': personal(204)
}

interface Operation {
  security?: Record<string, string[]>[]
  responses: Record<string, { content?: Record<string, { schema: { $ref?: string; properties?: object } }> }>
}

const scopeOf = ({ security = [] }: Operation) => security.find((way) => way.oauth2)?.oauth2?.[0] ?? ''

const description: { paths: Record<string, Record<string, Operation>> } = JSON.parse(
  await (await stack.get('/openapi.json')).text()
)
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation }))
)

const tokenOf = async (name: string, scope = '') => (await logIn(stack, name, scope ? { scope } : {})).access_token
const adas = await logIn(stack, 'ada')
const ada = bearer(adas.access_token)

function expired(): string {
  const [header, claims = ''] = adas.access_token.split('.')
  const before = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), exp: Math.floor(Date.now() / 1_000) - 1 }
  const input = `${header}.${Buffer.from(JSON.stringify(before)).toString('base64url')}`
  return `${input}.${createHmac('sha256', keyFor('access tokens', SECRET_KEY)).update(input).digest('base64url')}`
}

async function revoked(): Promise<string> {
  const tokens = await logIn(stack, 'ada')
  await stack.postForm('/api/oauth/revoke', { token: tokens.refresh_token })
  return tokens.access_token
}

/** Good for all but what is asked. */
const lacking: Record<string, string> = {
  read: await tokenOf('ada', 'write account'),
  write: await tokenOf('ada', 'read account'),
  account: await tokenOf('ada', 'read write')
}

const callers: Record<string, (row: Row, scope: string) => { headers: Record<string, string>; status: number }> = {
  nobody: ({ access, own, anonymous = own }) => ({
    headers: {},
    status: access === 'public' || access === 'open' ? anonymous : 401
  }),
  'the owner': ({ access, own }) => ({ headers: ada, status: access === 'operators' ? 403 : own }),
  'another user': ({ access, own, stranger = own }) => ({
    headers: grace,
    status: access === 'operators' ? 403 : stranger
  }),
  'an operator': ({ own, operator = own }) => ({ headers: olga, status: operator }),
  'an expired token': ({ access, own }) => ({ headers: bearer(old), status: access === 'public' ? own : 401 }),
  'a revoked token': ({ access, own }) => ({ headers: bearer(gone), status: access === 'public' ? own : 401 }),
  'another scope': ({ access, own }, scope) => ({
    headers: bearer(lacking[scope] ?? ''),
    status: access === 'public' ? own : 403
  })
}
const [grace, olga] = [bearer(await tokenOf('grace')), bearer(await tokenOf('olga'))]
const [old, gone] = [expired(), await revoked()]

/** Makes what a path's id is the id of: ada's, and new each time. */
async function idFor(path: string): Promise<string> {
  const made = async (answer: Response) => String(Object(await answer.json()).id)
  if (path.startsWith('/api/jobs/') || path.startsWith('/async/'))
    return made(await stack.post('/api/jobs/store-submission/async', SUBMISSION, ada))
  if (path.startsWith('/api/submissions') || path.startsWith('/sync/'))
    return made(await stack.post('/sync/contact', CONTACT, ada))
  if (path.startsWith('/api/tasks')) return made(await stack.post('/api/tasks', { title: 'Look after the bees' }, ada))
  if (path.includes('/keys/')) return made(await stack.post('/api/users/me/keys', { name: 'x' }, ada))
  const token = await tokenOf('ada', 'read')
  return String(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sid)
}

async function ask(name: string, { json, form }: Row, headers: Record<string, string>) {
  const [method = '', path = ''] = name.split(' ')
  const url = stack.gateway.url + (path.includes('{id}') ? path.replace('{id}', await idFor(path)) : path)
  const type = json !== undefined ? 'application/json' : 'application/x-www-form-urlencoded'
  const body = json !== undefined ? JSON.stringify(json) : form && new URLSearchParams(form).toString()
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { prefer: 'respond-async', ...headers, ...(body !== undefined && { 'content-type': type }) },
    ...(body !== undefined && { body })
  })
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream')
  if (isStream) await answer.body?.cancel()
  return {
    status: answer.status,
    type: answer.headers.get('content-type') ?? '',
    text: isStream ? '' : await answer.text()
  }
}

t.test('D5 the description has a row here for each route, and tells public from private', (t) => {
  t.strictSame(
    operations.map(({ name }) => name).sort(),
    Object.keys(ROWS).sort(),
    'a new route needs a row, and a row its route'
  )
  for (const { name, operation } of operations) {
    const { access, scope } = ROWS[name] ?? row('private', 0)
    const told = !operation.security
      ? 'public'
      : operation.security.some((way) => !Object.keys(way).length)
        ? 'open'
        : 'private'
    t.equal(told, access === 'operators' ? 'private' : access, name)
    if (told === 'private') t.ok(operation.responses['429'], `${name}: callers are held to a limit`)
    if (told !== 'public')
      t.equal(scopeOf(operation), scope ?? (name.startsWith('GET') ? 'read' : 'write'), `${name}: its scope`)
  }
  t.end()
})

t.test('D5 C28 each route answers each caller as it should, and every refusal is a problem', async (t) => {
  for (const { name, operation } of operations) {
    const expected = ROWS[name]
    if (!expected) continue
    for (const [caller, expect] of Object.entries(callers)) {
      const { headers, status } = expect(expected, scopeOf(operation))
      const answer = await ask(name, expected, headers)
      t.equal(answer.status, status, `${name}: ${caller}`)
      if (answer.status < 400 || name.startsWith('POST /api/oauth/')) continue
      t.equal(answer.type, 'application/problem+json; charset=utf-8', `${name}: ${caller}`)
      t.ok(Value.Check(Problem, JSON.parse(answer.text)), `${name}: ${caller}`)
    }
  }
})

t.test('C28 success is the resource itself, lists are { items, next }, errors are told as problems', (t) => {
  for (const { name, operation } of operations) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      const { schema } = content['application/json'] ?? Object.values(content)[0] ?? {}
      if (!schema) continue
      const names = Object.keys(schema.properties ?? {})
      if (
        Number(status) >= 400 &&
        !name.startsWith('POST /api/oauth/') &&
        name !== 'GET /readyz' &&
        name !== 'GET /api/health'
      ) {
        t.equal(schema.$ref, '#/components/schemas/Problem', `${name} ${status}`)
      }
      if (names.includes('items') && !names.includes('batch_id'))
        t.ok(names.includes('next'), `${name}: a list has next`)
      t.notOk(names.includes('data') && names.length === 1, `${name}: nothing is wrapped`)
    }
  }
  t.end()
})

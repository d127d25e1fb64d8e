/** What a collection needs to know beyond the API description: an order in which every request finds what it asks for. */

export interface Step {
  /** Of the operation, as `POST /api/tasks`. */
  call: string
  /** What it is called in the collection; the operation's summary when absent. */
  name?: string
  query?: string
  headers?: Record<string, string>
  /** In place of an example made from the schema. */
  body?: unknown
  /** In place of the first success that is described. */
  expect?: number
  /** Variables that the answer sets, by the way to their value. */
  save?: Record<string, string>
  /** Variables for the parameters of the path, where their own names would not do. */
  path?: Record<string, string>
  /** Asks again until the answer's `status` is this one. */
  until?: string
}

const CONTACT = { name: 'Ada', email: 'ada@example.org', message: 'Good morning', consent: true }
const SUBMISSION = { form: 'contact', data: CONTACT }
const PAGE = { document: '<title>Bees</title><a href="/more">more</a>', base_url: 'https://example.org/' }
const LOG_IN = { grant_type: 'password', username: '{{username}}', password: '{{password}}' }

/** Requests that come first, in this order. */
export const FIRST: Step[] = [
  {
    call: 'POST /api/oauth/token',
    name: 'Log in',
    body: LOG_IN,
    save: { access_token: 'access_token', refresh_token: 'refresh_token' }
  },
  {
    call: 'POST /api/oauth/token',
    name: 'Renew the token',
    body: { grant_type: 'refresh_token', refresh_token: '{{refresh_token}}' },
    save: { access_token: 'access_token', refresh_token: 'refresh_token' }
  },
  { call: 'POST /api/oauth/token', name: 'Log in once more', body: LOG_IN, save: { other_token: 'refresh_token' } },
  { call: 'GET /api/users/me/sessions', save: { session_id: 'items.find(({ current }) => !current).id' } },
  { call: 'DELETE /api/users/me/sessions/{id}', path: { id: 'session_id' } },
  { call: 'POST /api/users/me/keys', body: { name: 'from the collection', scopes: ['read'] }, save: { key_id: 'id' } },
  { call: 'GET /api/users/me/keys' },
  { call: 'DELETE /api/users/me/keys/{id}', path: { id: 'key_id' } },

  { call: 'POST /api/tasks', save: { task_id: 'id' } },
  { call: 'GET /api/tasks' },
  { call: 'GET /api/tasks/{id}', path: { id: 'task_id' } },
  { call: 'PUT /api/tasks/{id}', path: { id: 'task_id' }, body: { title: 'Feed the bees', is_done: true } },
  { call: 'PATCH /api/tasks/{id}', path: { id: 'task_id' }, body: { is_done: false } },
  { call: 'DELETE /api/tasks/{id}', path: { id: 'task_id' } },

  { call: 'POST /api/jobs/store-submission/async', body: SUBMISSION, save: { job_id: 'id' } },
  { call: 'GET /api/jobs/{id}', path: { id: 'job_id' }, until: 'succeeded' },
  { call: 'GET /api/jobs/{id}/result', path: { id: 'job_id' }, expect: 200 },
  { call: 'GET /api/jobs/{id}/attempts', path: { id: 'job_id' } },
  { call: 'GET /api/jobs/{id}/events', path: { id: 'job_id' }, expect: 200 },
  { call: 'POST /api/jobs/store-submission', body: SUBMISSION, headers: { Prefer: 'wait=20' } },
  { call: 'POST /api/jobs/store-submission/batch', body: [SUBMISSION, SUBMISSION] },
  { call: 'POST /api/jobs/parse-page', body: PAGE, headers: { Prefer: 'wait=20' } },
  { call: 'POST /api/jobs/parse-page/batch', body: [PAGE] },
  {
    call: 'POST /api/jobs/store-submission/async',
    name: 'A job for later',
    query: 'run_at=2099-01-01T08:00:00Z',
    body: SUBMISSION,
    save: { later_id: 'id' }
  },
  { call: 'DELETE /api/jobs/{id}', path: { id: 'later_id' } },
  {
    call: 'POST /api/jobs/parse-page/async',
    name: 'A job that gives up: private addresses are not called',
    body: { url: 'http://127.0.0.1/' },
    save: { dead_id: 'id' }
  },
  { call: 'GET /api/jobs/{id}', name: 'See it give up', path: { id: 'dead_id' }, until: 'dead' },
  { call: 'POST /api/jobs/{id}/replay', path: { id: 'dead_id' }, body: { payload: PAGE } },
  { call: 'GET /api/jobs', query: 'state=succeeded&limit=5' },
  { call: 'POST /api/jobs/replay', body: { type: 'parse-page', dry_run: true } },

  { call: 'GET /api/submissions', query: 'limit=1', save: { submission_id: 'items[0].id' } },
  { call: 'GET /api/submissions/{id}', path: { id: 'submission_id' } }
]

/** Requests that come last. */
export const LAST: Step[] = [{ call: 'POST /api/oauth/revoke', name: 'Log out', body: { token: '{{refresh_token}}' } }]

/** What a collection cannot ask, and why. */
export const LEFT_OUT: Record<string, string> = {
  'POST /api/users/password': 'it takes a link that is used once',
  'PUT /api/users/me/password': 'it would change the password that the collection logs in with',
  'POST /api/users': 'it would make an account with every run'
}
/** Pages of the account need a browser's cookie, and forms that it was given. */
export const isLeftOut = ({ name, tags = [] }: { name: string; tags?: string[] }): boolean =>
  name in LEFT_OUT || tags.includes('account pages')

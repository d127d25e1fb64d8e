import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { Value } from 'typebox/value'
import bodies from '#plugins/bodies'
import jobs from '#plugins/jobs'
import problems from '#plugins/problems'
import { AsyncTask, AsyncTaskStatus, Job, JobStatus } from '#schema/job'
import { createWatches } from '../../plugins/job-events/watches.js'
import { createApp } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'
import { registry } from '../helpers/ledger-app.js'
import { KEY, startConsumer } from '../helpers/processes.js'
import { CONTACT, idOf, startStack } from '../helpers/stack.js'

const ID = '01940000-0000-7000-8000-000000000000'
/** Whose jobs they see who did not say who they are. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/** The plugin on stand-ins, which are all that it asks of the ledger and of those who wait. */
function createJobs(t: Test, ledger: object, jobEvents: object = {}) {
  const app = createApp(t)
  app.register(problems)
  app.register(bodies)
  app.decorate('ledger', ledger as never) // as above
  app.decorate('jobEvents', jobEvents as never) // as above
  app.decorate('idempotency', { readKey: () => undefined } as never) // nobody sends a key
  for (const name of ['submissions', 'storedPages']) app.decorate(name, {})
  app.decorate('submitterOf', () => 'ip:somebody')
  app.decorateRequest('principal', null)
  app.decorateRequest('stillHolds', async () => true)
  app.register(jobs, { registry })
  return app
}

const WATCH = { next: async () => undefined, isClosed: () => false, close: () => {} }

t.test('B20 it stands on stand-ins, and a missing one stops the start by name', async (t) => {
  const app = createJobs(t, { find: () => Promise.resolve(undefined) })
  t.match((await app.inject(`/api/jobs/${ID}`)).json(), { status: 404, code: 'JOB_NOT_FOUND' })

  const bare = createApp(t)
  bare.register(problems)
  bare.register(jobs, { registry })
  await t.rejects(async () => void (await bare.ready()), { message: /decorator 'ledger'.*required by 'jobs'/ })
})

t.test('rule 12: whose end is awaited is accepted with the number of those who wait, and no other', async (t) => {
  const accepted: unknown[] = []
  const ledger = {
    accept: async ({ id = ID, awaited }: { id?: string; awaited?: number }) => {
      accepted.push(awaited)
      return { id, replayed: false }
    },
    find: () => Promise.resolve(undefined)
  }
  const app = createJobs(t, ledger, { count: () => 7, watch: () => WATCH })
  const send = (url: string, prefer?: string) =>
    app.inject({ method: 'POST', url, payload: {}, headers: { ...(prefer && { prefer }) } })
  await send('/api/jobs/short', 'wait=1')
  await send('/api/jobs/short', 'respond-async')
  await send('/api/jobs/short/async')
  t.strictSame(accepted, [7, undefined, undefined])
})

t.test(
  'rule 12: a job is watched before it is sent, for a short one may end before its commit is answered',
  async (t) => {
    const calls: { what: string; id: string | undefined }[] = []
    const ledger = {
      accept: async ({ id }: { id?: string }) => {
        calls.push({ what: 'accept', id })
        return { id, replayed: false }
      },
      find: () => Promise.resolve(undefined)
    }
    const watch = (id: string) => {
      calls.push({ what: 'watch', id })
      return WATCH
    }
    const app = createJobs(t, ledger, { count: () => 1, watch })
    await app.inject({ method: 'POST', url: '/api/jobs/short', payload: {} })
    const id = calls[0]?.id
    t.strictSame(calls, [
      { what: 'watch', id },
      { what: 'accept', id }
    ])
  }
)

const ACTIVE = { id: ID, status: 'active', version: 1, progress: 0, attempts: 1, owner_id: NOBODY }

/** An app whose client leaves when `leave` is called, which resolves once that was noticed; `counts` says how many watches were opened, and are. */
function createLeft(t: Test, ledgerOf: (leave: () => Promise<void>) => object) {
  const watches = createWatches({ findProgress: async () => ACTIVE } as never) // all that a watch asks of the ledger
  t.teardown(watches.closeAll)
  let opened = 0
  const watch = (id: string) => {
    opened += 1
    return watches.open(id)
  }
  const leaving = new AbortController()
  const leave = async () => {
    leaving.abort()
    await left
  }
  const app = createJobs(t, ledgerOf(leave), { watch, count: () => 1 })
  const left = new Promise<void>((resolve) => {
    app.addHook('onRequest', async (_request, reply) => void reply.raw.once('close', resolve))
  })
  return { app, leave, signal: leaving.signal, counts: () => [opened, watches.size()] }
}

t.test('who leaves while the job is still looked for leaves no watch behind', async (t) => {
  const { app, signal, counts } = createLeft(t, (leave) => ({ find: () => leave().then(() => ACTIVE) }))
  const url = await app.listen({ port: 0 })
  await t.rejects(fetch(`${url}/api/jobs/${ID}/events`, { signal }))
  await eventually(() => assert.deepEqual(counts(), [1, 0]))
})

for (const [when, answered] of [
  ['before its request is handled', undefined],
  ['while its repeat is looked up', ID]
] as const) {
  t.test(`who leaves ${when} leaves no watch behind`, async (t) => {
    const { app, leave, signal, counts } = createLeft(t, (leave) => ({
      accept: async ({ id }: { id: string }) => {
        if (answered) await leave()
        return { id: answered ?? id, replayed: Boolean(answered) }
      },
      find: async () => ACTIVE
    }))
    if (!answered) app.addHook('preHandler', leave)
    const url = await app.listen({ port: 0 })
    const headers = { 'content-type': 'application/json', prefer: 'wait=300' }
    await t.rejects(fetch(`${url}/api/jobs/short`, { method: 'POST', headers, body: '{}', signal }))
    await eventually(() => assert.deepEqual(counts(), [answered ? 2 : 1, 0]))
  })
}

t.test('a job can be followed by its id, from accepted to done', async (t) => {
  const stack = await startStack(t)
  const accepted = await stack.post('/async/contact', CONTACT)
  const body: unknown = await accepted.clone().json()
  t.ok(Value.Check(AsyncTask, body), 'the answer is an AsyncTask')
  const id = await idOf(accepted)
  const read = async (path: string) => (await stack.get(path, KEY)).json()

  await t.test('D26 an id that is no UUID is 400, one that nobody has is 404, never "pending"', async (t) => {
    t.equal((await stack.get('/api/jobs/1', KEY)).status, 400)
    t.equal((await stack.get(`/api/jobs/${ID}`, KEY)).status, 404)
    t.equal((await stack.get(`/async/contact/${ID}`)).status, 404)
    t.equal((await stack.get(`/api/jobs/${id.toUpperCase()}`, KEY)).status, 200, 'capitals are the same id')
  })

  await t.test('it is queued while no consumer is there', async (t) => {
    const job: unknown = await read(`/api/jobs/${id}`)
    t.ok(Value.Check(Job, job), 'it fits its schema')
    t.match(job, {
      id,
      type: 'store-submission',
      queue: 'submissions',
      status: 'queued',
      attempts: 0,
      error: null,
      result: null
    })
    t.match(job, { started_at: null, finished_at: null, created_at: /^\d{4}-\d\d-\d\dT.*Z$/ })
  })

  await t.test('its public status tells state and times, never what was typed', async (t) => {
    const status: unknown = await read(`/async/contact/${id}`)
    t.ok(Value.Check(JobStatus, status))
    t.notMatch(JSON.stringify(status), /Ada|payload|result|store-submission/)
  })

  await t.test('it succeeds once a consumer is there', async (t) => {
    await startConsumer(t, stack.env)
    const job = await eventually(async () => {
      const job: unknown = await read(`/api/jobs/${id}`)
      if (Object(job).status !== 'succeeded') throw new Error(`it is ${Object(job).status}`)
      return job
    })
    t.match(job, { status: 'succeeded', attempts: 1, progress: 100, started_at: /Z$/, finished_at: /Z$/ })
    t.ok(Value.Check(AsyncTaskStatus, job), 'D25 it is an AsyncTaskStatus')
    t.strictSame(Object(job).result, { submission_id: id })
    t.ok(Object(job).version > 1, 'its version grew with every change')
  })
})

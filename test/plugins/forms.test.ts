import t from 'tap'
import type { TSchema } from 'typebox'
import forms from '#plugins/forms'
import problems from '#plugins/problems'
import { decodeForm } from '#schema/decode-text'
import { accepted, choices, flag, optional, text } from '#schema/form'
import { buildRegistry, type Form, loadDefinitions } from '#schema/registry'
import { describeFields } from '../../plugins/forms/fields.js'
import { createApp } from '../helpers/app.js'

const definitions = await loadDefinitions()
const registry = buildRegistry(definitions)
const ID = '01940000-0000-7000-8000-000000000000'
const CONTACT = { name: 'Ada', email: 'ada@example.org', message: 'Good morning', consent: true }

/** The plugin alone: what it meets are stand-ins that note how they are called. */
function createForms(t: Parameters<typeof createApp>[0], { replayed = false, defaultForm = 'contact' } = {}) {
  const app = createApp(t)
  const calls: { asked: string; value: unknown }[] = []
  const note = <Answer>(asked: string, value: unknown, answer: Answer) => {
    calls.push({ asked, value })
    return Promise.resolve(answer)
  }
  app.register(problems)
  app.decorate('submissions', {
    store: (submission) => note('store', submission, { id: ID, replayed }),
    insertionOf: () => ({ text: '' }),
    countFromJobs: () => Promise.resolve(0),
    findReceipt: (form, { id }) => note('findReceipt', { form, id }, undefined),
    find: () => Promise.resolve(undefined),
    list: () => Promise.resolve({ rows: [], next: undefined })
  })
  // only what the forms ask of the ledger
  app.decorate('ledger', {
    accept: (job: unknown) => note('accept', job, { id: ID, replayed }),
    findStatus: (form: string, { id }: { id: string }) => note('findStatus', { form, id }, undefined)
  } as never)
  // nothing was sent before
  const findRepeat = (_key: unknown, refusal: unknown) => Promise.reject(refusal)
  app.decorate('idempotency', { readKey: () => undefined, findRepeat } as never)
  app.decorate('submitterOf', () => 'ip:somebody')
  app.decorateRequest('principal', null)
  app.decorate('submissionLimit', async () => {})
  app.decorateReply('page', function (this, template) {
    return this.type('text/html').send(template)
  })
  app.register(forms, { registry, defaultForm })
  return { app, calls }
}

const post = (url: string, payload: object, headers = {}) => ({ method: 'POST' as const, url, payload, headers })

t.test('B20 it stands on stand-ins, and adds nothing outside itself', async (t) => {
  const { app } = createForms(t)
  await app.ready()
  t.notOk(app.hasRequestDecorator('typed'), 'what it decorates requests with is unseen outside')
})

t.test('B20 a missing decorator stops the start by its name', async (t) => {
  const app = createApp(t)
  app.register(problems)
  app.register(forms, { registry, defaultForm: 'contact' })
  await t.rejects(async () => void (await app.ready()), { message: /decorator 'submissions'.*required by 'forms'/ })
})

t.test('DEFAULT_FORM that is no form stops the start and names those that are', async (t) => {
  const { app } = createForms(t, { defaultForm: 'nope' })
  await t.rejects(async () => void (await app.ready()), {
    message: /^DEFAULT_FORM: there is no form 'nope'; choose one of: contact, /
  })
})

t.test('A1 A3 every form has its two pages, and the default form the two short addresses', async (t) => {
  const { app } = createForms(t)
  for (const name of ['', ...registry.forms.keys()]) {
    for (const mode of ['sync', 'async']) {
      const answer = await app.inject({ url: `/${mode}/${name}`, headers: { accept: 'text/html' } })
      t.equal(answer.statusCode, 200, `/${mode}/${name}`)
    }
  }
})

t.test('A2 the sync way asks for the row to be stored, and answers with its place', async (t) => {
  const { app, calls } = createForms(t)
  const answer = await app.inject(post('/sync/contact', CONTACT))
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers.location, `/sync/contact/${ID}`)
  t.strictSame(answer.json(), { id: ID, form: 'contact' })
  t.strictSame(calls, [{ asked: 'store', value: { form: 'contact', data: CONTACT, ownerId: null } }])
})

t.test('A4 the async way asks for a job of the type that the form names, under the id of the request', async (t) => {
  const { app, calls } = createForms(t)
  const answer = await app.inject(post('/async/', CONTACT))
  t.equal(answer.statusCode, 202)
  t.equal(answer.headers.location, `/async/contact/${ID}`)
  t.strictSame(answer.json(), { id: ID, status: 'queued' })
  const { asked, value } = calls[0] ?? {}
  t.equal(asked, 'accept')
  t.match(value, {
    type: 'store-submission',
    payload: { form: 'contact', data: CONTACT },
    submitter: 'ip:somebody',
    trace: /./
  })
})

t.test('a browser is sent to the place where it can look; a replay says that it is one', async (t) => {
  const { app } = createForms(t, { replayed: true })
  const headers = { accept: 'text/html' }
  for (const mode of ['sync', 'async']) {
    const answer = await app.inject(post(`/${mode}/contact`, CONTACT, headers))
    t.equal(answer.statusCode, 303)
    t.equal(answer.headers.location, `/${mode}/contact/${ID}`)
    t.equal(answer.headers['idempotency-replayed'], 'true')
  }
})

t.test('what does not fit is asked of nobody', async (t) => {
  const { app, calls } = createForms(t)
  for (const mode of ['sync', 'async']) {
    t.match((await app.inject(post(`/${mode}/contact`, {}))).json(), { status: 422, code: 'INVALID_BODY' })
    t.equal((await app.inject(post(`/${mode}/contact`, {}, { accept: 'text/html' }))).statusCode, 422)
    t.equal((await app.inject(`/${mode}/contact/7`)).statusCode, 400)
  }
  t.strictSame(calls, [])
})

t.test('a receipt or status is looked for in the form of the address', async (t) => {
  const { app, calls } = createForms(t)
  t.equal((await app.inject(`/sync/contact/${ID}`)).json().code, 'SUBMISSION_NOT_FOUND')
  t.equal((await app.inject(`/async/damage-report/${ID}`)).json().code, 'SUBMISSION_NOT_FOUND')
  t.strictSame(calls, [
    { asked: 'findReceipt', value: { form: 'contact', id: ID } },
    { asked: 'findStatus', value: { form: 'damage-report', id: ID } }
  ])
})

/** The form of some fields. */
function formOf(fields: Record<string, TSchema>): Form {
  const { jobs, forms } = buildRegistry({ ...definitions, forms: { probe: { title: 'Probe', fields } } })
  const form = forms.get('probe')
  if (!form || !jobs.size) throw new Error('no form')
  return form
}

t.test('a field may be called as what every object has', async (t) => {
  const form = formOf({ constructor: text({ title: 'Builder' }) })
  t.match(describeFields(form, {}, []), [{ value: '' }], 'a blank page is blank')
  t.match(describeFields(form, { constructor: 'Ada' }, []), [{ value: 'Ada' }])
  t.strictSame(form.check({}).errors, [{ pointer: '/constructor', detail: 'is required' }])
})

t.test('the page asks for what the check asks for: a box that may stay blank is not required', async (t) => {
  const [title, options] = ['X', { a: 'A', b: 'B' }]
  const fields: [TSchema, boolean][] = [
    [flag({ title }), false],
    [optional(flag({ title })), false],
    [accepted({ title }), true],
    [optional(accepted({ title })), false],
    [choices({ title, options }), false],
    [choices({ title, options, minItems: 1 }), true],
    [optional(choices({ title, options, minItems: 1 })), false],
    [text({ title }), true]
  ]
  for (const [field, required] of fields) {
    const form = formOf({ field })
    t.equal(describeFields(form, {}, [])[0]?.required, required)
    t.equal(form.check(decodeForm(form.schema, {})).errors === undefined, !required, 'so does the check')
  }
})

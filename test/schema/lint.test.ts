import t from 'tap'
import Type, { type TSchema } from 'typebox'
import { choice, choices, type FormDefinition, integer, number, optional, text } from '#schema/form'
import { defineJob, type JobDefinition } from '#schema/job'
import storeSubmission from '#schema/jobs/store-submission'
import { lintForm, lintJob } from '#schema/lint'

const JOBS = { 'store-submission': storeSubmission }
const FORM: FormDefinition = { title: 'A form', fields: { name: text({ title: 'Name' }) } }
const JOB = defineJob({
  title: 'A job',
  queue: 'work',
  version: 1,
  payload: Type.Object({}, { additionalProperties: false }),
  result: Type.Null(),
  limits: { maxAttempts: 2, timeoutMs: 1000, batch: 1, concurrency: 1 }
})

const form = (changes: Partial<FormDefinition>) => lintForm('a-form', { ...FORM, ...changes }, JOBS)
const job = (changes: Partial<JobDefinition>) => lintJob('a-job', { ...JOB, ...changes })
/** What a definition file may hold that its author forgot: values that TypeScript would refuse. */
const broken = <T>(value: unknown) => value as T

t.test('a complete and bounded definition has no fault', async (t) => {
  t.strictSame(form({}), [])
  t.strictSame(job({}), [])
})

t.test(
  'D24 a job type without title, queue, version, payload, result or limits is named with what is missing',
  async (t) => {
    for (const part of ['title', 'queue', 'version', 'payload', 'result', 'limits']) {
      t.strictSame(job({ [part]: undefined }), [`schema/jobs/a-job.ts: ${part} is missing`])
    }
    t.equal(job({ title: '', queue: '' }).length, 2, 'all that is missing is told at once')
  }
)

t.test('D24 limits out of their range are named', async (t) => {
  const { limits } = JOB
  const wrong: [Partial<typeof limits>, string][] = [
    [{ maxAttempts: 0 }, 'limits.maxAttempts must be a whole number from 1 to 100'],
    [{ maxAttempts: 101 }, 'limits.maxAttempts must be a whole number from 1 to 100'],
    [{ timeoutMs: 99 }, 'limits.timeoutMs must be a whole number from 100 to 86400000'],
    [{ batch: 101 }, 'limits.batch must be a whole number from 1 to 100'],
    [{ batch: 1.5 }, 'limits.batch must be a whole number from 1 to 100'],
    [{ concurrency: 0 }, 'limits.concurrency must be a whole number from 1 to 100'],
    [broken({ concurrency: '4' }), 'limits.concurrency must be a whole number from 1 to 100'],
    [{ maxAttempts: Number.NaN }, 'limits.maxAttempts must be a whole number from 1 to 100']
  ]
  for (const [change, fault] of wrong) {
    t.strictSame(job({ limits: { ...limits, ...change } }), [`schema/jobs/a-job.ts: ${fault}`])
  }
  t.equal(job({ limits: broken({}) }).length, 4)
})

t.test('jobs that travel together need a second attempt', (t) => {
  const [fault = '', ...more] = job({ limits: { ...JOB.limits, batch: 20, maxAttempts: 1 } })
  t.match(fault, 'limits.maxAttempts must be 2 or more')
  t.strictSame(more, [])
  t.end()
})

t.test('names that a URL or Bee-Queue would not bear are refused', async (t) => {
  for (const name of ['Upper', 'under_score', '1st', '', 'a'.repeat(61), 'ünder']) {
    t.match(lintForm(name, FORM, JOBS)[0], 'rename the file')
    t.match(lintJob(name, JOB)[0], 'rename the file')
  }
  for (const queue of ['suspects', 'a b', 'a:b']) t.match(job({ queue })[0], `queue '${queue}': choose another name`)
})

t.test('D24 a form without title or fields, or a field without label, is named', async (t) => {
  t.strictSame(form({ title: '' }), ['schema/forms/a-form.ts: title is missing'])
  t.strictSame(form({ fields: {} }), ['schema/forms/a-form.ts: fields are missing'])
  t.strictSame(form({ fields: { name: Type.String({ maxLength: 5 }) } }), [
    'schema/forms/a-form.ts: field name: title (its label) is missing'
  ])
})

t.test('field names that belong to the page, or that no form could send, are refused', async (t) => {
  for (const name of ['idempotency_key', 'website', 'elements', 'dataset']) {
    t.match(form({ fields: { [name]: text({ title: 'X' }) } })[0], `field ${name}: this name belongs to the page`)
  }
  for (const name of ['Name', 'a-b', '__proto__x', '1st']) {
    t.match(form({ fields: { [name]: text({ title: 'X' }) } })[0], `field ${name}: lower-case letters`)
  }
})

t.test('a field that cannot be filled in is named', async (t) => {
  const title = 'X'
  const wrong: [TSchema, string][] = [
    [integer({ title, minimum: 3, maximum: 2 }), 'minimum is above maximum'],
    [number({ title, minimum: 0.2, maximum: 0.1 }), 'minimum is above maximum'],
    [text({ title, maxLength: 0 }), 'minLength is above maxLength'],
    [choices({ title, options: { a: 'A', b: 'B' }, minItems: 3 }), 'minItems is above maxItems'],
    [choice({ title, options: { '': 'None', a: 'A' } }), "an option cannot be ''"],
    [choices({ title, options: { a: 'A', '': 'None' } }), "an option cannot be ''"]
  ]
  for (const [x, fault] of wrong) {
    for (const field of [x, optional(x)]) {
      const [first = '', ...more] = form({ fields: { x: field } })
      t.ok(first.startsWith(`schema/forms/a-form.ts: field x: ${fault}`), first)
      t.strictSame(more, [])
    }
  }
  t.strictSame(form({ fields: { x: integer({ title, minimum: 0, maximum: 0 }) } }), [], 'one value is enough')
})

t.test('a form that names a missing or unfit job type is named', async (t) => {
  t.strictSame(form({ job: 'nowhere' }), [
    "schema/forms/a-form.ts: job 'nowhere' has no definition in schema/jobs/nowhere.ts"
  ])
  t.match(form({ job: 'constructor' })[0], "job 'constructor' has no definition")
  t.strictSame(lintForm('a-form', { ...FORM, job: 'other' }, { ...JOBS, other: JOB }), [
    "schema/forms/a-form.ts: job 'other' does not take SubmissionPayload"
  ])
})

t.test('what is no definition at all is named, not crashed on', async (t) => {
  for (const nothing of [null, 7, 'text', true]) {
    t.match(lintForm('a-form', broken(nothing), JOBS), ['schema/forms/a-form.ts: its default export is no definition'])
    t.match(lintJob('a-job', broken(nothing)), ['schema/jobs/a-job.ts: its default export is no definition'])
  }
  for (const nothing of [null, 7, undefined]) {
    t.match(form({ fields: broken({ name: nothing }) }), ['schema/forms/a-form.ts: field name: is no schema'])
  }
})

t.test('every place that would take a value without bound is named, however deep', async (t) => {
  const open: [TSchema, string][] = [
    [Type.String(), 'payload.x: a string needs maxLength'],
    [Type.String({ format: 'email' }), 'payload.x: a string needs maxLength'],
    [Type.Array(Type.Integer()), 'payload.x: a list needs maxItems'],
    [Type.Array(Type.String(), { maxItems: 3 }), 'payload.x[]: a string needs maxLength'],
    [Type.Object({}), 'payload.x: an object needs additionalProperties: false or maxProperties'],
    [Type.Object({}, { additionalProperties: true }), 'payload.x: an object needs'],
    [Type.Record(Type.String(), Type.Integer()), 'payload.x: an object needs'],
    [Type.Record(Type.String(), Type.String(), { maxProperties: 3 }), 'payload.x.*: a string needs maxLength'],
    [Type.Object({ y: Type.String() }, { additionalProperties: false }), 'payload.x.y: a string needs maxLength'],
    [Type.Union([Type.Null(), Type.String()]), 'payload.x: a string needs maxLength'],
    [Type.Optional(Type.String()), 'payload.x: a string needs maxLength'],
    [Type.Any(), 'payload.x: any value is accepted'],
    [Type.Unknown(), 'payload.x: any value is accepted'],
    [Type.Array(Type.Unknown(), { maxItems: 1 }), 'payload.x[]: any value is accepted']
  ]
  for (const [x, fault] of open) {
    const faults = job({ payload: Type.Object({ x }, { additionalProperties: false }) })
    t.match(faults, [`schema/jobs/a-job.ts: ${fault}`])
    t.equal(faults.length, 1)
  }
  t.match(job({ result: Type.String() }), ['schema/jobs/a-job.ts: result: a string needs maxLength'])
  t.match(form({ fields: { list: Type.Array(Type.String(), { title: 'List' }) } }), [
    'schema/forms/a-form.ts: field list: a list needs maxItems',
    'schema/forms/a-form.ts: field list[]: a string needs maxLength'
  ])
})

t.test('bounded values of every kind pass', async (t) => {
  const bounded = [
    Type.String({ maxLength: 1 }),
    Type.Literal('a'),
    Type.Union([Type.Literal('a'), Type.Null()]),
    Type.Enum(['a', 'b']),
    Type.Array(Type.Boolean(), { maxItems: 1 }),
    Type.Object({}, { additionalProperties: true, maxProperties: 1 }),
    Type.Number()
  ]
  for (const x of bounded) {
    t.strictSame(job({ payload: Type.Object({ x }, { additionalProperties: false }) }), [])
  }
})

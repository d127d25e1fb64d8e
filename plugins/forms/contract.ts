/** The contract of each route: what comes in, what goes out. */
import Type from 'typebox'
import { AsyncTask, JobStatus, Uuid } from '#schema/job'
import { problems } from '#schema/problem'
import type { Form } from '#schema/registry'
import { type Mode, Receipt, Stored } from '#schema/submission'

const tags = ['forms']
const SubmissionKey = Type.Object({ id: Uuid })
const IdempotencyHeader = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ maxLength: 255, description: 'makes repeating the request harmless' }))
})

export const pageSchema = (form: Form, hide: boolean) => ({
  summary: `Form page: ${form.title}`,
  tags,
  hide,
  produces: ['text/html', 'application/json'],
  response: {
    200: {
      description: 'the form: to fill in, or its name, words and schema',
      content: { 'text/html': { schema: Type.String() }, 'application/json': { schema: Type.Unknown() } }
    }
  }
})

export const submitSchema = (form: Form, mode: Mode, hide: boolean) => ({
  summary: `Submit: ${form.title} (${mode === 'sync' ? 'stored directly' : 'through the queue'})`,
  tags,
  hide,
  consumes: ['application/json', 'application/x-www-form-urlencoded'],
  headers: IdempotencyHeader,
  body: form.schema,
  response: {
    ...(mode === 'sync' ? { 201: Stored } : { 202: AsyncTask }),
    ...problems(400, 409, 413, 415, 422, 429, 503)
  }
})

export const receiptSchema = (form: Form) => ({
  summary: `Receipt: ${form.title}`,
  tags,
  params: SubmissionKey,
  response: { 200: Receipt, ...problems(404) }
})

export const statusSchema = (form: Form) => ({
  summary: `Status: ${form.title}`,
  tags,
  params: SubmissionKey,
  response: { 200: JobStatus, ...problems(404) }
})

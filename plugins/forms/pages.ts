/** What people see of a form: the page to fill in, the receipt, the status. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sentence } from '#schema/fault-text'
import { type Problem, problem } from '#schema/problem'
import type { Form } from '#schema/registry'
import type { Mode } from '#schema/submission'
import { ownerSeenBy } from '#schema/user'
import { describeFields, fieldOf, PAGE_FIELDS, type Typed } from './fields.js'

export interface FormPage {
  form: Form
  mode: Mode
  /** What was typed before. */
  typed?: Typed
  /** Why it was not taken. */
  problem?: Problem
}

/** After these the page's key cannot take the next submission; after all others it must, lest one be stored twice. */
const SPENT = new Set(['IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_KEY_INVALID'])

/** A form page: blank, or with what was typed and why it was not taken. */
export function showForm(reply: FastifyReply, { form, mode, typed, problem }: FormPage) {
  const faults = (problem?.code === 'INVALID_BODY' && problem.errors) || []
  const fields = describeFields(form, typed ?? {}, faults)
  const known = new Set<string | undefined>(fields.map(({ name }) => name))
  const key = typed?.[PAGE_FIELDS.key]
  return reply.page('form', {
    title: form.title,
    form,
    mode,
    action: `/${mode}/${form.name}`,
    fields,
    /** Faults that belong to no field of the page. */
    others: faults.filter(({ pointer }) => !known.has(fieldOf(pointer))).map(tell),
    problem: problem && { ...problem, detail: sentence(problem.detail) },
    blank: typed === undefined,
    keyName: PAGE_FIELDS.key,
    key: typeof key === 'string' && key !== '' && !SPENT.has(problem?.code ?? '') ? key : randomUUID(),
    trapName: PAGE_FIELDS.trap
  })
}

const tell = ({ pointer, detail }: { pointer: string; detail: string }) =>
  pointer ? `“${fieldOf(pointer)}” ${detail}` : sentence(detail)

/** What a program needs in order to fill in the form. */
export const describeForm = ({ name, title, description, schema }: Form) => ({
  name,
  title,
  description,
  sync: `/sync/${name}`,
  async: `/async/${name}`,
  schema
})

export function showReceipt(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const receipt = await request.server.submissions.findReceipt(form.name, askedFor(request))
    if (!receipt) throw notFound(request)
    return request.wantsPage() ? reply.page('receipt', { title: form.title, form, receipt }) : reply.send(receipt)
  }
}

export function showStatus(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const job = await request.server.ledger.findStatus(form.name, askedFor(request))
    if (!job) throw notFound(request)
    return request.wantsPage() ? reply.page('status', { title: form.title, form, job }) : reply.send(job)
  }
}

const idOf = ({ params }: FastifyRequest) => (params as { id: string }).id

/** What nobody known sent is shown to whoever has its address; what a user sent, to that user and to operators. */
const askedFor = (request: FastifyRequest) => ({ id: idOf(request), ...ownerSeenBy(request.principal) })

function notFound(request: FastifyRequest) {
  const detail = `no submission ${idOf(request)} of this form`
  return problem(
    404,
    'SUBMISSION_NOT_FOUND',
    request.principal ? detail : `${detail} is public; if it is yours, log in`
  )
}

/** What people see of a form: the page to fill in, the receipt, the status. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Fault, problem } from '#schema/problem'
import type { Form } from '#schema/registry'
import type { Mode } from '#schema/submission'
import { describeFields } from './fields.js'

export interface FormPage {
  form: Form
  mode: Mode
  /** What was typed before. */
  typed?: Record<string, string | string[]> | undefined
  /** What is wrong with it. */
  faults?: Fault[]
  /** The page's key was used for other content: it was sent before and edited since. */
  resent?: boolean
}

/** A form page with a fresh one-time key. */
export function showForm(reply: FastifyReply, { form, mode, typed = {}, faults = [], resent = false }: FormPage) {
  const fields = describeFields(form, typed, faults)
  const known = new Set(fields.map(({ name }) => `/${name}`))
  return reply.page('form', {
    title: form.title,
    form,
    action: `/${mode}/${form.name}`,
    fields,
    /** Faults that belong to no field of the page. */
    others: faults.filter(({ pointer }) => !known.has(`/${pointer.split('/')[1]}`)),
    invalid: faults.length > 0,
    resent,
    key: randomUUID()
  })
}

export function showReceipt(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { id } = request.params as { id: string }
    const receipt = await request.server.submissions.findReceipt(form.name, id)
    if (!receipt) throw notFound(id)
    return request.wantsPage() ? reply.page('receipt', { title: form.title, form, receipt }) : reply.send(receipt)
  }
}

export function showStatus(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { id } = request.params as { id: string }
    const job = await request.server.ledger.findStatus(form.name, id)
    if (!job) throw notFound(id)
    return request.wantsPage() ? reply.page('status', { title: form.title, form, job }) : reply.send(job)
  }
}

const notFound = (id: string) => problem(404, 'SUBMISSION_NOT_FOUND', `no submission ${id} of this form`)

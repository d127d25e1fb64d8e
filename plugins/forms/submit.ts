/** The two ways in. Both answer only after the commit: with the place to look, or to a browser by sending it there. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodeText } from '#schema/decode-text'
import { type Fault, problem } from '#schema/problem'
import type { Form } from '#schema/registry'
import type { Mode, SubmissionPayload } from '#schema/submission'
import { showForm } from './pages.js'

/** Fields that belong to the page and not to the form: its one-time key, and a trap that people do not see. */
const PAGE_FIELDS = { key: 'idempotency_key', trap: 'website' }

/** Turns the text fields of a form body into the values of its schema; JSON stays as it is. */
export function decodeBody(form: Form) {
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
    if (request.mediaType !== 'application/x-www-form-urlencoded') return done()
    const typed = { ...(request.body as Record<string, string | string[]>) }
    const { [PAGE_FIELDS.key]: _key, [PAGE_FIELDS.trap]: trap, ...fields } = typed
    request.typed = typed
    if (trap)
      return done(problem(422, 'TRAPPED', `leave the field ${PAGE_FIELDS.trap} empty: it is there to catch programs`))
    request.body = decodeText(form.schema, fields)
    done()
  }
}

export function storeDirectly(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const refused = refuse(form, 'sync', request, reply)
    if (refused) return refused
    const submission = submissionOf(form, request)
    return once(form, 'sync', request, reply, async (key) => {
      const { id, replayed } = await request.server.submissions.store(submission, key)
      answerAt(reply, `/sync/${form.name}/${id}`, replayed)
      return request.wantsPage() ? reply.code(303).send() : reply.code(201).send({ id, form: form.name })
    })
  }
}

export function submitThroughQueue(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const refused = refuse(form, 'async', request, reply)
    if (refused) return refused
    const { ledger, submitterOf } = request.server
    const job = {
      type: form.job,
      payload: submissionOf(form, request),
      submitter: submitterOf(request),
      trace: request.id
    }
    return once(form, 'async', request, reply, async (key) => {
      const { id, replayed } = await ledger.accept(job, key)
      answerAt(reply, `/async/${form.name}/${id}`, replayed)
      if (request.wantsPage()) return reply.code(303).send()
      const status = replayed ? (await ledger.findStatus(form.name, id))?.status : 'queued'
      return reply.code(202).send({ id, status })
    })
  }
}

const submissionOf = (form: Form, { body }: FastifyRequest): SubmissionPayload => ({
  form: form.name,
  data: body as SubmissionPayload['data'] // checked by the form's schema on the way in
})

function answerAt(reply: FastifyReply, location: string, replayed: boolean): void {
  reply.header('location', location)
  if (replayed) reply.header('idempotency-replayed', 'true')
}

/** Answers what the schema refused: a browser gets its form back. */
function refuse(form: Form, mode: Mode, request: FastifyRequest, reply: FastifyReply) {
  const { validationError } = request
  if (!validationError) return undefined
  if (validationError.validationContext !== 'body' || !request.wantsPage()) throw validationError
  const faults = validationError.validation as unknown as Fault[]
  return showForm(reply.code(422), { form, mode, typed: request.typed, faults })
}

/** Runs the way in under the request's key; a browser that edited what it had sent before gets its form back with a fresh key. */
async function once(
  form: Form,
  mode: Mode,
  request: FastifyRequest,
  reply: FastifyReply,
  way: (key: ReturnType<typeof request.server.idempotency.readKey>) => Promise<FastifyReply>
) {
  const { idempotency } = request.server
  try {
    return await way(idempotency.readKey(request, request.body, request.typed?.[PAGE_FIELDS.key]))
  } catch (error) {
    const reused = error instanceof Error && 'code' in error && error.code === 'IDEMPOTENCY_KEY_REUSED'
    if (!reused || !request.wantsPage()) throw error
    return showForm(reply.code(422), { form, mode, typed: request.typed, resent: true })
  }
}

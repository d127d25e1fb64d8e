/** The two ways in. Both answer only after the commit: with the place to look, or to a browser by sending it there. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodeForm } from '#schema/decode-text'
import { problem } from '#schema/problem'
import type { Form } from '#schema/registry'
import type { SubmissionPayload } from '#schema/submission'
import { PAGE_FIELDS, type Typed } from './fields.js'

/** Turns the text fields of a form body into the values of its schema; JSON stays as it is. */
export function decodeBody(form: Form) {
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
    if (request.mediaType !== FORM) return done()
    const typed = { ...(request.body as Typed) }
    const { [PAGE_FIELDS.key]: _key, [PAGE_FIELDS.trap]: trap, ...fields } = typed
    request.typed = typed
    if (trap)
      return done(problem(422, 'TRAPPED', `leave the field “${PAGE_FIELDS.trap}” empty: it is there to catch programs`))
    request.body = decodeForm(form.schema, fields)
    done()
  }
}

/** What was typed, also when it was refused before it was decoded. */
export const typedInto = ({ typed, mediaType, body }: FastifyRequest): Typed | undefined =>
  typed ?? (mediaType === FORM ? (body as Typed | undefined) : undefined)

const FORM = 'application/x-www-form-urlencoded'

export function storeDirectly(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const route = `/sync/${form.name}`
    const key = readKey(request, route)
    const { validationError, server } = request
    const submission = { form: form.name, data: dataOf(request), ownerId: ownerOf(request) }
    const { id, replayed } = validationError
      ? await server.idempotency.findRepeat(key, validationError)
      : await server.submissions.store(submission, key)
    answerAt(reply, `${route}/${id}`, replayed)
    return request.wantsPage() ? reply.code(303).send() : reply.code(201).send({ id, form: form.name })
  }
}

export function submitThroughQueue(form: Form) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { validationError, server } = request
    const { ledger, submitterOf } = server
    const job = {
      type: form.job,
      payload: { form: form.name, data: dataOf(request), form_version: form.version },
      submitter: submitterOf(request),
      ownerId: ownerOf(request),
      trace: request.id
    }
    const route = `/async/${form.name}`
    const key = readKey(request, route)
    const { id, replayed } = validationError
      ? await server.idempotency.findRepeat(key, validationError)
      : await ledger.accept(job, key)
    answerAt(reply, `${route}/${id}`, replayed)
    if (request.wantsPage()) return reply.code(303).send()
    const status = replayed ? (await ledger.findStatus(form.name, { id }))?.status : 'queued'
    return reply.code(202).send({ id, status })
  }
}

/** The user, if the sender is known. */
const ownerOf = ({ principal }: FastifyRequest) => principal?.userId ?? null

/** Checked by the form's schema on the way in; what does not fit is looked for, and goes no further. */
const dataOf = ({ body }: FastifyRequest) => body as SubmissionPayload['data']

/** The request's key: its header's, or that of the page. A form without its name in the address is the same form. */
const readKey = (request: FastifyRequest, route: string) =>
  request.server.idempotency.readKey(request, { route, asked: request.body, given: request.typed?.[PAGE_FIELDS.key] })

function answerAt(reply: FastifyReply, location: string, replayed: boolean): void {
  reply.header('location', location)
  if (replayed) reply.header('idempotency-replayed', 'true')
}

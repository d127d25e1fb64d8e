/** Jobs as they are: one, its result, its attempts, many. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { linkToNext } from '#schema/next-page'
import { problem } from '#schema/problem'
import { ownerSeenBy } from '#schema/user'
import { answerEnd } from './end.js'
import { findAsked, isOpen } from './find.js'
import { answerOpen } from './submit.js'

export const readJob = async (request: FastifyRequest, reply: FastifyReply) => reply.send(await findAsked(request))

export async function readResult(request: FastifyRequest, reply: FastifyReply) {
  const { ledger } = request.server
  const { forget } = request.query as { forget: boolean }
  if (forget) refuseToForget(request)
  const job = await findAsked(request)
  if (isOpen(job.status)) return answerOpen(reply, job.id, job.status)
  // a HEAD request, which the same route answers, reads nothing
  if (forget && request.method === 'GET' && job.status === 'succeeded' && !job.forgotten_at) {
    // only when the whole answer has left: an answer that broke off can be asked for again
    reply.raw.once('finish', () => {
      ledger
        .forgetResult(job.id)
        .catch((error) => request.log.warn({ err: error, jobId: job.id }, 'a result was not taken away'))
    })
  }
  return answerEnd(reply, job)
}

/** It changes something though it is a GET: a link on any page leads a browser there. @throws problem 403 `SCOPE_MISSING` */
function refuseToForget({ principal }: FastifyRequest): void {
  if (principal?.scopes.includes('write') && !principal.browser) return
  throw problem(403, 'SCOPE_MISSING', 'forget=true takes a token or key with the scope write')
}

export async function readAttempts(request: FastifyRequest, reply: FastifyReply) {
  const { id } = await findAsked(request)
  return reply.send({ items: await request.server.ledger.findAttempts(id), next: null })
}

export interface Filters {
  type?: string
  error_code?: string
  created_after?: string
  created_before?: string
}

interface ListQuery extends Filters {
  state?: 'queued' | 'active' | 'succeeded' | 'dead' | 'cancelled' | 'expired'
  batch?: string
  payload_at?: string
  payload_is?: string
  limit: number
  before?: string
}

export async function listJobs(request: FastifyRequest, reply: FastifyReply) {
  const { state, batch, payload_at, payload_is, limit, before, ...filters } = request.query as ListQuery
  if ((payload_at === undefined) !== (payload_is === undefined)) {
    throw problem(400, 'INVALID_QUERYSTRING', 'payload_at and payload_is go together')
  }
  const { rows, next } = await request.server.ledger.list(
    {
      ...toFilter(filters),
      ...ownerSeenBy(request.principal),
      ...(state && { state }),
      ...(batch && { batchId: batch }),
      ...(payload_at !== undefined &&
        payload_is !== undefined && { payload: { path: toPath(payload_at), value: payload_is } }),
      ...(before && { before })
    },
    limit
  )
  if (next) reply.header('link', linkToNext('/api/jobs', request.url, next))
  return reply.send({ items: rows, next: next ?? null })
}

export function toFilter({ type, error_code, created_after, created_before }: Filters) {
  return {
    ...(type && { type }),
    ...(error_code && { errorCode: error_code }),
    ...(created_after && { createdFrom: new Date(created_after) }),
    ...(created_before && { createdBefore: new Date(created_before) })
  }
}

const toPath = (pointer: string) =>
  pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

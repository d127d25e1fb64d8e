/** The ways in for one job: wait for the result, or look later. Many at once come in by batch.ts. */
import { finished } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { uuidv7 } from 'uuidv7'
import { type Fault, problem } from '#schema/problem'
import type { JobType } from '#schema/registry'
import { answerEnd } from './end.js'
import { find, isOpen } from './find.js'
import { readPreference } from './prefer.js'

/** The last moment that is written with four digits of its year. */
const LAST_MS = Date.UTC(9_999, 11, 31, 23, 59, 59, 999)

type NewJob = Parameters<FastifyInstance['ledger']['accept']>[0]
type Wait = Pick<NewJob, 'id' | 'awaited'>

interface Timing {
  run_at?: string
  expires_in?: number
  timeout?: number
}

/** Checks the payload and waits for the job's end as long as the caller prefers; then the caller's choice holds. */
export function submitAndWait(type: JobType) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { ledger, jobEvents } = request.server
    const { on_timeout } = request.query as { on_timeout: 'detach' | 'revoke' }
    const { waitS, applied } = readPreference(request.headers.prefer)
    if (applied) reply.header('preference-applied', applied)
    const until = performance.now() + waitS * 1_000

    const open = (job: string, firstLookMs?: number) => {
      const watch = jobEvents.watch(job, firstLookMs)
      finished(reply.raw, watch.close) // the job goes on when its caller is gone, by now or later
      return watch
    }
    const id = uuidv7()
    // before the job is sent: a short one has ended by the time that its commit is answered
    let watch = waitS > 0 ? open(id) : undefined
    try {
      const accepted = await send(type, request, { id, awaited: watch && jobEvents.count() })
      if (!watch) return answerAccepted(request, reply, accepted)
      answerAt(reply, accepted)
      if (accepted.id !== id) {
        watch.close()
        watch = open(accepted.id, 0)
      }
      for (;;) {
        const progress = await watch.next(until - performance.now())
        if (!progress) break
        if (isOpen(progress.status)) continue
        return answerEnd(reply, 'result' in progress ? progress : await find(request, accepted.id))
      }
      if (on_timeout === 'revoke' && !watch.isClosed() && (await ledger.cancel(accepted.id))) {
        throw problem(408, 'JOB_REVOKED', `the job did not end within ${waitS} s and was cancelled, as you asked`)
      }
      const job = await find(request, accepted.id)
      return isOpen(job.status) ? answerOpen(reply, accepted.id, job.status) : answerEnd(reply, job)
    } finally {
      watch?.close()
    }
  }
}

export function submitAsync(type: JobType) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    return answerAccepted(request, reply, await send(type, request))
  }
}

/** Accepts the job that is asked for; the only check of its payload. @throws problem 422 `INVALID_BODY`, and as `ledger.accept` */
async function send(type: JobType, request: FastifyRequest, wait?: Wait) {
  const { ledger, idempotency } = request.server
  const key = readKey(type, request)
  const { value, errors } = type.admitPayload(request.body ?? null)
  if (errors) return idempotency.findRepeat(key, misfit(errors))
  return ledger.accept(newJob(type, request, value, wait), key)
}

export function newJob(type: JobType, request: FastifyRequest, payload: unknown, wait?: Wait): NewJob {
  const { run_at, expires_in, timeout } = request.query as Timing
  const runAt = run_at === undefined ? undefined : new Date(run_at)
  // counted from when it may begin
  const expiresMs = expires_in && Math.max(runAt?.getTime() ?? 0, Date.now()) + expires_in * 1_000
  return {
    type: type.name,
    payload,
    submitter: request.server.submitterOf(request),
    ownerId: request.principal?.userId ?? null,
    trace: request.id,
    id: wait?.id,
    awaited: wait?.awaited,
    runAt,
    expiresAt: expiresMs ? new Date(Math.min(expiresMs, LAST_MS)) : undefined,
    timeoutMs: timeout === undefined ? undefined : Math.round(timeout * 1_000)
  }
}

export const misfit = (errors: Fault[]) => problem(422, 'INVALID_BODY', 'the body does not fit; see errors', { errors })

/** The same request is the same payload at the same address, with the same timing. */
export const readKey = (type: JobType, request: FastifyRequest) =>
  request.server.idempotency.readKey(request, {
    route: `/api/jobs/${type.name}`,
    asked: [request.routeOptions.url, request.query, request.body]
  })

/** 202 with the place to look; a repeated request is told how far its job is by now. */
export async function answerAccepted(
  { server }: FastifyRequest,
  reply: FastifyReply,
  accepted: { id: string; replayed: boolean }
) {
  answerAt(reply, accepted)
  const status = accepted.replayed ? (await server.ledger.findProgress(accepted.id))?.status : 'queued'
  return reply.code(202).send({ id: accepted.id, status })
}

function answerAt(reply: FastifyReply, { id, replayed }: { id: string; replayed: boolean }): void {
  reply.header('location', `/api/jobs/${id}`)
  if (replayed) reply.header('idempotency-replayed', 'true')
}

export function answerOpen(reply: FastifyReply, id: string, status: string): FastifyReply {
  return reply.code(202).header('retry-after', 1).send({ id, status })
}

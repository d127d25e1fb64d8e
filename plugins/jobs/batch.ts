/** The way in for many jobs at once: one commit, all or none. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Fault, problem } from '#schema/problem'
import type { JobType } from '#schema/registry'
import { newJob, readKey } from './submit.js'

export function submitBatch(type: JobType) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { ledger, idempotency, submitterOf } = request.server
    const { partial } = request.query as { partial: boolean }
    const payloads = (request.body as unknown[]).map(type.admitPayload)
    const errors = payloads.flatMap(({ errors = [] }, i) => errors.map((fault) => at(i, fault)))
    const bad = new Set(errors.map(({ item }) => item))
    const faults = errors.map(({ fault }) => fault).slice(0, 100)
    if (bad.size && (!partial || bad.size === payloads.length)) {
      const detail = `${bad.size} of ${payloads.length} payloads do not fit; nothing was stored`
      const refusal = problem(422, 'INVALID_BODY', detail, { errors: faults })
      return answerBatch(reply, await idempotency.findRepeat(readKey(type, request), refusal))
    }
    const places = payloads.flatMap((_, i) => (bad.has(i) ? [] : [i]))
    const jobs = places.map((i) => newJob(type, request, payloads[i]?.value))
    const accepted = await ledger.acceptBatch(submitterOf(request), jobs, readKey(type, request))
    return answerBatch(reply, accepted, { places, errors: faults })
  }
}

/** `places` are those of the jobs' payloads in the request, where some were left out. */
async function answerBatch(
  reply: FastifyReply,
  { id, replayed }: { id: string; replayed: boolean },
  { places = [], errors = [] }: { places?: number[]; errors?: Fault[] } = {}
) {
  if (replayed) reply.header('idempotency-replayed', 'true')
  reply.header('location', `/api/jobs?batch=${id}`)
  const items = await reply.server.ledger.findBatch(id)
  return reply.code(202).send({
    batch_id: id,
    items: items.map((one) => ({ id: one.id, status: one.status, item: places[one.item] ?? one.item })),
    errors
  })
}

const at = (item: number, { pointer, detail }: Fault) => ({ item, fault: { pointer: `/${item}${pointer}`, detail } })

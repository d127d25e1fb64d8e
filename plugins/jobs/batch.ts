/** The way in for many jobs at once: one commit, all or none. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { compile } from '#schema/compile'
import { type Fault, MOST_FAULTS, problem } from '#schema/problem'
import type { JobType } from '#schema/registry'
import { Payloads } from './contract/submit.js'
import { misfit, newJob, readKey } from './submit.js'

const checkList = compile(Payloads, { from: 'list' })

export function submitBatch(type: JobType) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { ledger, idempotency, submitterOf } = request.server
    const { partial } = request.query as { partial: boolean }
    const list = checkList(request.body ?? null)
    if (list.errors) throw misfit(list.errors)
    const payloads = list.value.map(type.admitPayload)
    const errors = payloads.flatMap(({ errors = [] }, i) => errors.map((fault) => at(i, fault)))
    const bad = new Set(errors.map(({ item }) => item))
    if (bad.size && (!partial || bad.size === payloads.length)) {
      const detail = `${bad.size} of ${payloads.length} payloads do not fit; nothing was stored`
      const refusal = problem(422, 'INVALID_BODY', detail, { errors: toldOf(errors) })
      return answerBatch(reply, await idempotency.findRepeat(readKey(type, request), refusal), errors)
    }
    const jobs = payloads.flatMap(({ value }, item) =>
      bad.has(item) ? [] : [{ ...newJob(type, request, value), item }]
    )
    return answerBatch(reply, await ledger.acceptBatch(submitterOf(request), jobs, readKey(type, request)), errors)
  }
}

/** What was stored; and of what does not fit, what was left out: a repeat may be older than its type as it is now. */
async function answerBatch(reply: FastifyReply, { id, replayed }: { id: string; replayed: boolean }, errors: Misfit[]) {
  if (replayed) reply.header('idempotency-replayed', 'true')
  reply.header('location', `/api/jobs?batch=${id}`)
  const items = await reply.server.ledger.findBatch(id)
  const stored = new Set(items.map(({ item }) => item))
  const leftOut = errors.filter(({ item }) => !stored.has(item))
  return reply.code(202).send({ batch_id: id, items, errors: toldOf(leftOut) })
}

interface Misfit {
  /** Place of the payload in the request. */
  item: number
  fault: Fault
}

const at = (item: number, { pointer, detail }: Fault): Misfit => ({
  item,
  fault: { pointer: `/${item}${pointer}`, detail }
})

/** The first fault of every payload that does not fit, and more of them while there is room. */
function toldOf(errors: Misfit[]): Fault[] {
  let room = MOST_FAULTS - new Set(errors.map(({ item }) => item)).size
  return errors.filter(({ item }, n) => item !== errors[n - 1]?.item || room-- > 0).map(({ fault }) => fault)
}

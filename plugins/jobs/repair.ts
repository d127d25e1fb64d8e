/** Jobs put right: cancel, repeat what ended badly. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'
import type { JobType, Registry } from '#schema/registry'
import { ownerSeenBy } from '#schema/user'
import { MOST_REPLAYED } from './contract/repair.js'
import { find, findAsked, isOpen } from './find.js'
import { type Filters, toFilter } from './read.js'
import { admit, answerAccepted } from './submit.js'

export async function cancelJob(request: FastifyRequest, reply: FastifyReply) {
  const { ledger } = request.server
  const { id } = await findAsked(request)
  if (await ledger.cancel(id)) return reply.code(204).send()
  throw problem(409, 'JOB_FINISHED', `it has ended already: ${(await find(request, id)).status}`)
}

export function replayJob(registry: Registry) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const original = await findAsked(request)
    const { id, status, owner_id: ownerId, timeout_ms: timeoutMs } = original
    const { payload = original.payload } = (request.body ?? {}) as { payload?: unknown }
    const type = typeOf(registry, original.type)
    const key = request.server.idempotency.readKey(request, {
      route: `/api/jobs/${id}/replay`,
      asked: request.body ?? null
    })
    const known = await lookUp(request, key)
    if (!known && (isOpen(status) || status === 'succeeded')) {
      const detail = `only a job that is dead, cancelled or expired is repeated; it is ${status}`
      throw problem(409, 'JOB_NOT_REPLAYABLE', detail)
    }
    const job = { id, type: type.name, payload: admit(type, payload), ownerId, timeoutMs }
    return answerAccepted(request, reply, await replay(request, job, key))
  }
}

export function replayMany(registry: Registry) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { dry_run, ...filters } = request.body as Filters & { dry_run: boolean }
    const { matching, jobs } = await request.server.ledger.findReplayable(
      { ...toFilter(filters), ...ownerSeenBy(request.principal) },
      dry_run ? 1 : MOST_REPLAYED
    )
    if (dry_run) return reply.send({ matching, replayed: 0, refused: [] })
    const outcomes = await Promise.all(
      jobs.map(async (job) => {
        try {
          await replay(request, { ...job, payload: admit(typeOf(registry, job.type), job.payload) })
          return undefined
        } catch (error) {
          const {
            statusCode,
            message,
            errors = []
          } = error as { statusCode?: number; message: string; errors?: { pointer: string; detail: string }[] }
          if (statusCode === undefined) throw error
          return {
            id: job.id,
            detail: [message, ...errors.map(({ pointer, detail }) => `${pointer} ${detail}`)].join('; ').slice(0, 2_000)
          }
        }
      })
    )
    const refused = outcomes.filter((one) => one !== undefined)
    return reply.send({ matching, replayed: jobs.length - refused.length, refused: refused.slice(0, 100) })
  }
}

type Original = Awaited<ReturnType<FastifyInstance['ledger']['findReplayable']>>['jobs'][number]
type Key = ReturnType<FastifyRequest['server']['idempotency']['readKey']>

async function replay(request: FastifyRequest, { id, ...job }: Original, key?: Key) {
  const { ledger, submitterOf } = request.server
  try {
    // whoever repeats it, it stays its owner's
    return await ledger.accept({ ...job, submitter: submitterOf(request), trace: request.id, replayOf: id }, key)
  } catch (error) {
    if (error instanceof Error && 'constraint' in error && error.constraint === 'jobs_replays') {
      throw problem(409, 'JOB_REPLAYED', 'it was repeated before; see replayed_by')
    }
    throw error
  }
}

const lookUp = (request: FastifyRequest, key: Key) =>
  key ? request.server.idempotency.lookUp({ id: '', key }) : undefined

/** @throws problem 409 `JOB_TYPE_GONE` */
function typeOf(registry: Registry, name: string): JobType {
  const type = registry.jobs.get(name)
  if (!type) throw problem(409, 'JOB_TYPE_GONE', `there is no job type ${name} any more`)
  return type
}

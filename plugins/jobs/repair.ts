/** Jobs put right: cancel, repeat what ended badly. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JobState } from '#schema/job'
import { type ProblemError, problem } from '#schema/problem'
import type { Registry } from '#schema/registry'
import { ownerSeenBy } from '#schema/user'
import { MOST_REPLAYED, MOST_TOLD } from './contract/repair.js'
import { find, findAsked, isOpen } from './find.js'
import { type Filters, toFilter } from './read.js'
import { answerAccepted, misfit } from './submit.js'

export async function cancelJob(request: FastifyRequest, reply: FastifyReply) {
  const { ledger } = request.server
  const { id } = await findAsked(request)
  if (await ledger.cancel(id)) return reply.code(204).send()
  throw problem(409, 'JOB_FINISHED', `it has ended already: ${(await find(request, id)).status}`)
}

export function replayJob(registry: Registry) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const original = await findAsked(request)
    const { id, type, status, owner_id: ownerId, timeout_ms: timeoutMs } = original
    const { payload: asked = original.payload } = (request.body ?? {}) as { payload?: unknown }
    const { idempotency } = request.server
    const key = idempotency.readKey(request, { route: `/api/jobs/${id}/replay`, asked: request.body ?? null })
    const { payload, refusal } =
      isOpen(status) || status === 'succeeded' ? notReplayable(status) : admitAgain(registry, type, asked)
    const accepted = refusal
      ? await idempotency.findRepeat(key, refusal)
      : await replay(request, { id, type, payload, ownerId, timeoutMs }, key)
    return answerAccepted(request, reply, accepted)
  }
}

export function replayMany(registry: Registry) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { dry_run, after, ...filters } = request.body as Filters & { dry_run: boolean; after?: string }
    const { matching, jobs } = await request.server.ledger.findReplayable(
      { ...toFilter(filters), ...ownerSeenBy(request.principal), ...(after && { after }) },
      dry_run ? 1 : MOST_REPLAYED
    )
    if (dry_run) return reply.send({ matching, replayed: 0, refused: [], refused_in_all: 0, next: null })
    const refusals = await Promise.all(jobs.map((job) => tryReplay(registry, request, job)))
    // whoever goes on after this page must find those that there is no room for by now
    const full = refusals.findIndex((refusal) => refusal && FOR_NOW.includes(refusal.statusCode))
    if (full === 0) throw refusals[0]
    const page = full > 0 ? jobs.slice(0, full) : jobs
    const refused = page.flatMap(({ id }, n) => (refusals[n] ? [{ id, detail: sayWhy(refusals[n]) }] : []))
    return reply.send({
      matching,
      replayed: refusals.filter((refusal) => !refusal).length,
      refused: refused.slice(0, MOST_TOLD),
      refused_in_all: refused.length,
      next: page.length < matching ? page.at(-1)?.id : null
    })
  }
}

/** Refusals that pass: too many jobs are open, or Postgres is away. */
const FOR_NOW = [429, 503]

/** Repeats one of many; answers why not. */
async function tryReplay(registry: Registry, request: FastifyRequest, job: Original) {
  const { payload, refusal } = admitAgain(registry, job.type, job.payload)
  if (refusal) return refusal
  try {
    await replay(request, { ...job, payload })
    return undefined
  } catch (error) {
    if (isProblem(error)) return error
    throw error
  }
}

const isProblem = (error: unknown): error is ProblemError => error instanceof Error && 'statusCode' in error

const sayWhy = ({ message, errors = [] }: ProblemError) =>
  [message, ...errors.map(({ pointer, detail }) => `${pointer} ${detail}`)].join('; ').slice(0, 2_000)

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

interface Admitted {
  /** As a repeat would keep it. */
  payload?: unknown
  /** Why there is none: 409 `JOB_NOT_REPLAYABLE` or `JOB_TYPE_GONE`, 422 `INVALID_BODY`. */
  refusal?: ProblemError
}

const notReplayable = (status: JobState): Admitted => ({
  refusal: problem(
    409,
    'JOB_NOT_REPLAYABLE',
    `only a job that is dead, cancelled or expired is repeated; it is ${status}`
  )
})

function admitAgain(registry: Registry, name: string, asked: unknown): Admitted {
  const type = registry.jobs.get(name)
  if (!type) return { refusal: problem(409, 'JOB_TYPE_GONE', `there is no job type ${name} any more`) }
  const { value: payload, errors } = type.admitPayload(asked)
  return errors ? { refusal: misfit(errors) } : { payload }
}

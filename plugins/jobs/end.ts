/** The answer to who asked for a result, once the job has ended. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { problem } from '#schema/problem'

type End = NonNullable<Awaited<ReturnType<FastifyInstance['ledger']['findEnd']>>>

/** @throws problem 409 `JOB_DEAD`, `JOB_CANCELLED` or `JOB_EXPIRED`, 410 `RESULT_FORGOTTEN` */
export function answerEnd(reply: FastifyReply, { status, result, error, forgotten_at }: End): FastifyReply {
  if (status === 'dead') throw problem(409, 'JOB_DEAD', `it gave up: ${error?.code}: ${error?.detail}`)
  if (status === 'cancelled') throw problem(409, 'JOB_CANCELLED', 'it was cancelled')
  if (status === 'expired') throw problem(409, 'JOB_EXPIRED', 'its time was over before it was done')
  if (forgotten_at) throw problem(410, 'RESULT_FORGOTTEN', 'the result was taken away after it had been read')
  // as text: a result may be null, or of any type
  return reply.code(200).type('application/json; charset=utf-8').send(JSON.stringify(result))
}

/** The job that a request is about. */
import type { FastifyRequest } from 'fastify'
import { FINISHED, type JobState } from '#schema/job'
import { problem } from '#schema/problem'

export const isOpen = (status: JobState) => !FINISHED.includes(status)

/** @throws problem 404 `JOB_NOT_FOUND` */
export async function find({ server }: FastifyRequest, id: string) {
  const job = await server.ledger.find(id.toLowerCase())
  if (!job) throw problem(404, 'JOB_NOT_FOUND', `no job ${id}`)
  return job
}

/** The one that the address names. @throws as `find` */
export const findAsked = (request: FastifyRequest) => find(request, (request.params as { id: string }).id)

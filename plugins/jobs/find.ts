/** The job that a request is about, if its sender may know of it. */
import type { FastifyRequest } from 'fastify'
import { FINISHED, type JobState } from '#schema/job'
import { problem } from '#schema/problem'
import { ownerSeenBy } from '#schema/user'

export const isOpen = (status: JobState) => !FINISHED.includes(status)

/** A job of somebody else is not there. @throws problem 404 `JOB_NOT_FOUND` */
export async function find(request: FastifyRequest, id: string) {
  const { ownerId } = ownerSeenBy(request.principal)
  const job = await request.server.ledger.find(id.toLowerCase())
  if (!job || (ownerId !== undefined && job.owner_id !== ownerId)) throw problem(404, 'JOB_NOT_FOUND', `no job ${id}`)
  return job
}

/** The one that the address names. @throws as `find` */
export const findAsked = (request: FastifyRequest) => find(request, (request.params as { id: string }).id)

/** One's own log-ins. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'
import { ownerOf } from './me.js'

export async function listSessions(request: FastifyRequest, reply: FastifyReply) {
  const sessions = await request.server.accounts.sessions.list(ownerOf(request))
  const items = sessions.map((one) => ({ ...one, current: one.id === request.principal?.sessionId }))
  return reply.send({ items, next: null })
}

export async function endSession(request: FastifyRequest, reply: FastifyReply) {
  const { id } = request.params as { id: string }
  const ended = await request.server.accounts.sessions.end({ id, userId: ownerOf(request), because: 'ended' })
  if (!ended) throw problem(404, 'SESSION_NOT_FOUND', `you have no log-in ${id}`)
  return reply.code(204).send()
}

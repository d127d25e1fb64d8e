/** One's own API keys. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'
import type { NewApiKey } from '#schema/user'
import { ownerOf } from './me.js'

export async function listKeys(request: FastifyRequest, reply: FastifyReply) {
  return reply.send({ items: await request.server.accounts.keys.list(ownerOf(request)), next: null })
}

export async function createKey(request: FastifyRequest, reply: FastifyReply) {
  const userId = ownerOf(request)
  const own = request.principal?.scopes ?? []
  const created = await request.server.accounts.keys.create(userId, { ...(request.body as NewApiKey), own })
  return reply.code(201).header('location', `/api/users/me/keys/${created.id}`).send(created)
}

export async function revokeKey(request: FastifyRequest, reply: FastifyReply) {
  const { id } = request.params as { id: string }
  const revoked = await request.server.accounts.keys.revoke({ id, userId: ownerOf(request) })
  if (!revoked) throw problem(404, 'KEY_NOT_FOUND', `you have no key ${id}`)
  return reply.code(204).send()
}

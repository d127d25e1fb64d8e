/** One's own API keys. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'
import { type NewApiKey, SCOPES, type Scope } from '#schema/user'
import { ownerOf } from './me.js'

export async function listKeys(request: FastifyRequest, reply: FastifyReply) {
  return reply.send({ items: await request.server.accounts.keys.list(ownerOf(request)), next: null })
}

/** A key may do what its maker may do here, or less. @throws problem 403 `SCOPE_MISSING` */
export async function createKey(request: FastifyRequest, reply: FastifyReply) {
  const userId = ownerOf(request)
  const own = SCOPES.filter((scope) => request.principal?.scopes.includes(scope))
  const { scopes = usual(own), ...key } = request.body as NewApiKey
  const missing = scopes.filter((scope) => !own.includes(scope))
  if (missing.length) throw problem(403, 'SCOPE_MISSING', `you cannot give what you do not have: ${missing.join(' ')}`)
  if (!scopes.length)
    throw problem(403, 'SCOPE_MISSING', 'say which scopes: you have account alone, which is given only when asked for')
  const created = await request.server.accounts.keys.create(userId, { ...key, scopes })
  return reply.code(201).header('location', `/api/users/me/keys/${created.id}`).send(created)
}

/** Unless it is asked for, no key manages its account. */
const usual = (own: Scope[]) => own.filter((scope) => scope !== 'account')

export async function revokeKey(request: FastifyRequest, reply: FastifyReply) {
  const { id } = request.params as { id: string }
  const revoked = await request.server.accounts.keys.revoke({ id, userId: ownerOf(request) })
  if (!revoked) throw problem(404, 'KEY_NOT_FOUND', `you have no key ${id}`)
  return reply.code(204).send()
}

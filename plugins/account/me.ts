/** The account itself. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'

/** Whose account it is. @throws problem 403 `NO_ACCOUNT` for the key of the environment */
export function ownerOf({ principal }: FastifyRequest): string {
  if (principal?.userId) return principal.userId
  throw problem(403, 'NO_ACCOUNT', 'the key of the environment has no account; log in as a user')
}

export async function readMe({ server, principal }: FastifyRequest, reply: FastifyReply) {
  const user = principal?.userId ? await server.accounts.find(principal.userId) : undefined
  return reply.send({ user: user ?? null, scopes: principal?.scopes ?? [] })
}

export async function changePassword(request: FastifyRequest, reply: FastifyReply) {
  const { current, password } = request.body as { current: string; password: string }
  const { sessionId } = request.principal ?? {}
  const userId = ownerOf(request)
  const { accounts, addressOf } = request.server
  const change = { userId, current, password, address: addressOf(request) }
  await accounts.changePassword({ ...change, ...(sessionId && { sessionId }) })
  return reply.code(204).send()
}

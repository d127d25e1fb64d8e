/** The page of one's account, and what its buttons do. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'
import type { Scope } from '#schema/user'

/** What a key may do, as the page offers it: each needs all scopes before it. */
const CHOICES: { value: string; label: string; needs: Scope[] }[] = [
  { value: 'read', label: 'Read what is mine', needs: ['read'] },
  { value: 'read write', label: 'Read and send', needs: ['read', 'write'] },
  { value: 'read write operate', label: 'All that an operator may', needs: ['read', 'write', 'operate'] }
]

/** Whose page it is; undefined after the browser was sent to log in. */
function ownerOf({ principal, url, method }: FastifyRequest, reply: FastifyReply): string | undefined {
  if (principal?.userId) return principal.userId
  const next = method === 'GET' ? url : '/account'
  reply.redirect(`/login?next=${encodeURIComponent(next)}`, 303)
  return undefined
}

export async function showAccount(request: FastifyRequest, reply: FastifyReply) {
  return ownerOf(request, reply) ? showPage(request, reply) : reply
}

/** `created` is shown this once. */
async function showPage(request: FastifyRequest, reply: FastifyReply, created?: { name: string; key: string }) {
  const { accounts } = request.server
  const { userId, sessionId, scopes = [] } = request.principal ?? {}
  if (!userId) return reply
  const [user, sessions, keys] = await Promise.all([
    accounts.find(userId),
    accounts.sessions.list(userId),
    accounts.keys.list(userId)
  ])
  return reply.page('account', {
    user,
    sessions: sessions.map((one) => ({ ...one, current: one.id === sessionId })),
    keys,
    created,
    choices: CHOICES.filter(({ needs }) => needs.every((scope) => scopes.includes(scope)))
  })
}

export async function changePassword(request: FastifyRequest, reply: FastifyReply) {
  const userId = ownerOf(request, reply)
  if (!userId) return reply
  const { current, password } = request.body as { current: string; password: string }
  const { sessionId } = request.principal ?? {}
  const { accounts, addressOf } = request.server
  const change = { userId, current, password, address: addressOf(request) }
  await accounts.changePassword({ ...change, ...(sessionId && { sessionId }) })
  return reply.redirect('/account', 303)
}

export async function createKey(request: FastifyRequest, reply: FastifyReply) {
  const userId = ownerOf(request, reply)
  if (!userId) return reply
  const { name, may } = request.body as { name: string; may: string }
  const own = request.principal?.scopes ?? []
  const created = await request.server.accounts.keys.create(userId, { name, own, scopes: may.split(' ') })
  return showPage(request, reply, created)
}

export async function revokeKey(request: FastifyRequest, reply: FastifyReply) {
  const userId = ownerOf(request, reply)
  if (!userId) return reply
  const { id } = request.params as { id: string }
  if (await request.server.accounts.keys.revoke({ id, userId })) return reply.redirect('/account', 303)
  throw problem(404, 'KEY_NOT_FOUND', `you have no key ${id}`)
}

export async function endSession(request: FastifyRequest, reply: FastifyReply) {
  const userId = ownerOf(request, reply)
  if (!userId) return reply
  const { id } = request.params as { id: string }
  const ended = await request.server.accounts.sessions.end({ id, userId, because: 'ended' })
  if (ended) return reply.redirect('/account', 303)
  throw problem(404, 'SESSION_NOT_FOUND', `you have no log-in ${id}`)
}

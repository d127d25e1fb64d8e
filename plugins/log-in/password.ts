/** A password chosen with a one-time link. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sentence } from '#schema/fault-text'

export const showPasswordPage = (reply: FastifyReply, { token = '', problem = '' } = {}) =>
  reply.page('password', { token, problem: sentence(problem) })

export async function choosePassword(request: FastifyRequest, reply: FastifyReply) {
  await request.server.accounts.resetPassword(request.body as { token: string; password: string })
  return reply.redirect('/login?chosen=yes', 303)
}

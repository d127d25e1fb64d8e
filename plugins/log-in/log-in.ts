/** A browser's log-in. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sentence } from '#schema/fault-text'
import { problem } from '#schema/problem'
import { scopesOf } from '#schema/user'

export interface LogInPage {
  username?: string
  next?: string
  problem?: string
  /** A password was just chosen. */
  chosen?: string
}

export const showLogIn = (reply: FastifyReply, { username = '', next = '', problem = '', chosen = '' }: LogInPage) =>
  reply.page('log-in', { username, next, problem: sentence(problem), chosen })

/** A new session each time, so that nobody can have laid one before; what the browser had ends. */
export async function logIn(request: FastifyRequest, reply: FastifyReply) {
  const { accounts, addressOf } = request.server
  const { browsers, sessions } = accounts
  browsers.refusePlain(request)
  const { username, password, next } = request.body as { username: string; password: string; next?: string }
  const address = addressOf(request)
  const user = await accounts.logIn({ username, password, address })
  if (!user) throw wrong()
  const userAgent = request.headers['user-agent'] ?? ''
  const cookie = await sessions.openBrowser({ user, scopes: scopesOf(user.role), address, userAgent })
  if (!cookie) throw wrong()
  browsers.set(request, reply, cookie)
  await endOwn(request)
  return reply.redirect(isOwnPath(next) ? next : '/account', 303)
}

const wrong = () => problem(422, 'WRONG_LOGIN', 'name or password is wrong')

export async function logOut(request: FastifyRequest, reply: FastifyReply) {
  await endOwn(request)
  const { browsers } = request.server.accounts
  browsers.clear(request, reply)
  return reply.redirect('/login', 303)
}

async function endOwn({ server, principal }: FastifyRequest): Promise<void> {
  const { userId, sessionId, browser } = principal ?? {}
  if (browser && userId && sessionId)
    await server.accounts.sessions.end({ id: sessionId, userId, because: 'logged_out' })
}

/** A path on this very site: `//` and `/\` would lead to another. */
const isOwnPath = (next: string | undefined): next is string =>
  next !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(next)

/** Log-ins: those of programs are families of tokens, those of browsers a cookie. */
import { createHmac } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { uuidv7 } from 'uuidv7'
import type { Scope, TokenAnswer } from '#schema/user'
import { ACCESS_TOKEN_S, type AccessTokens } from './access-tokens.js'
import { endSessionOfToken, rotate } from './queries/refresh-tokens.js'
import {
  endSession,
  findSessions,
  insertSession,
  type LiveSession,
  listSessions,
  type NewSession,
  touchSessions
} from './queries/sessions.js'
import type { LoggedIn } from './queries/users.js'
import { createRecent, type RecentOptions } from './recent.js'
import { keyFor, makeSecret, sha256 } from './secrets.js'

export interface SessionOptions {
  app: FastifyInstance
  accessTokens: AccessTokens
  secret: string
  /** How long a log-in lasts at the most, in hours. */
  hours: number
  recent: RecentOptions
}

/** Who logs in, and from where. */
export interface LogIn {
  user: Pick<LoggedIn, 'id' | 'passwordSetAt'>
  scopes: readonly Scope[]
  /** Keyed hash of the address. */
  address: string
  userAgent: string
}

export type Sessions = ReturnType<typeof createSessions>

const REFRESH_TOKEN = /^ref_[\w-]{43}$/

export function createSessions({ app, accessTokens, secret, hours, recent: bounds }: SessionOptions) {
  const key = keyFor('refresh tokens', secret)
  const load = app.groupRead<LiveSession>(async (_pool, ids) => {
    const found = await findSessions(app.pg, ids)
    const stale = [...found.values()].filter((session) => session.stale).map(({ id }) => id)
    if (stale.length) touchSessions(app.pg, stale).catch((err) => app.log.debug({ err }, 'a use was not noted'))
    return found
  })
  const recent = createRecent(load, bounds)

  /** The token that follows: who holds one cannot tell the next, and we need not keep it to say it twice. */
  const next = (token: string) => `ref_${createHmac('sha256', key).update(token).digest('base64url')}`

  const toRow = ({ user, scopes, address, userAgent }: LogIn, kind: NewSession['kind']): NewSession => ({
    id: uuidv7(),
    userId: user.id,
    passwordSetAt: user.passwordSetAt,
    kind,
    scopes,
    address,
    userAgent: userAgent.slice(0, 300),
    hours
  })

  const answer = (session: { id: string; userId: string; scopes: readonly string[] }, refreshToken: string) => ({
    access_token: accessTokens.sign({ userId: session.userId, sessionId: session.id, scopes: session.scopes }),
    token_type: 'Bearer' as const,
    expires_in: ACCESS_TOKEN_S,
    refresh_token: refreshToken,
    scope: session.scopes.join(' ')
  })

  return {
    /** The log-in of that id, if it holds. Ended ones are known as such within `ttlMs`. */
    find: recent.get,
    /** The same, if it was asked for a moment ago. */
    peek: recent.peek,

    /** Begins a family of tokens; undefined when the password was changed since it was shown. */
    async issueTokens(logIn: LogIn): Promise<TokenAnswer | undefined> {
      const session = toRow(logIn, 'tokens')
      const refreshToken = `ref_${makeSecret()}`
      const isBegun = await insertSession(app.pg, session, sha256(refreshToken))
      return isBegun ? answer(session, refreshToken) : undefined
    },

    /** The next tokens of the family, for fewer scopes if asked; undefined when the token is not good, or no longer. */
    async refresh(token: string, scopes?: readonly string[]): Promise<TokenAnswer | 'too much' | undefined> {
      if (!REFRESH_TOKEN.test(token)) return undefined
      const following = next(token)
      const hashes = { hash: sha256(token), nextHash: sha256(following) }
      const family = await rotate(app.pg, { ...hashes, ...(scopes && { scopes }) })
      if (!family) return undefined
      if (family.reused) {
        recent.forget(family.sessionId)
        app.log.warn({ sessionId: family.sessionId }, 'a refresh token came again: its log-in is ended')
        return undefined
      }
      if (!family.fits) return 'too much'
      const session = { id: family.sessionId, userId: family.userId, scopes: scopes ?? family.scopes }
      return answer(session, following)
    },

    /** Begins a browser's session; answers what its cookie holds, or undefined as `issueTokens`. */
    async openBrowser(logIn: LogIn): Promise<string | undefined> {
      const session = toRow(logIn, 'browser')
      const cookie = `${session.id}.${makeSecret()}`
      const isBegun = await insertSession(app.pg, { ...session, secretHash: sha256(cookie) })
      return isBegun ? cookie : undefined
    },

    /** Ends the log-in that a refresh token belongs to. */
    async endByToken(token: string): Promise<void> {
      const id = await endSessionOfToken(app.pg, sha256(token))
      if (id) recent.forget(id)
    },

    async end(session: Parameters<typeof endSession>[1]): Promise<boolean> {
      const ended = await endSession(app.pg, session)
      recent.forget(session.id)
      return ended
    },

    /** Some were ended elsewhere. */
    forget: (ids: string[]) => ids.forEach(recent.forget),
    list: (userId: string) => listSessions(app.pg, userId)
  }
}

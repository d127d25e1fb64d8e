/** Who sends a request, by what it shows: a bearer token, an API key, the one key of the environment, or a browser's cookie. */
import type { FastifyRequest } from 'fastify'
import type { Principal, Role } from '#schema/user'
import { scopesOf } from '#schema/user'
import type { AccessTokens } from './access-tokens.js'
import { createBounded } from './bounded.js'
import type { Browsers } from './browsers.js'
import type { Keys } from './keys.js'
import { isSame, sha256 } from './secrets.js'
import type { Sessions } from './sessions.js'

export interface IdentifyOptions {
  /** The key of the environment. */
  apiKey: string | undefined
  accessTokens: AccessTokens
  sessions: Sessions
  keys: Keys
  browsers: Browsers
  /** Credentials remembered at the most. */
  most: number
}

/** Who showed a credential, and whether it is good still. */
interface Known {
  principal: Principal
  holds: () => boolean
}

/** Null: nothing was shown; undefined: what was shown is not good. */
export type Identity = Principal | null | undefined

export function createIdentify({ apiKey, accessTokens, sessions, keys, browsers, most }: IdentifyOptions) {
  // hashes have one length, so that not even the key's can be told from the time that a comparison takes
  const expected = apiKey === undefined ? undefined : sha256(apiKey)
  /** Good ones: who comes again within a moment is known without hashing, as long as the row behind it is the same. */
  const known = createBounded<Known>(most)

  async function byToken(token: string): Promise<Known | undefined> {
    const claims = accessTokens.read(token)
    const session = claims && (await sessions.find(claims.sessionId))
    if (!claims || session?.kind !== 'tokens' || session.userId !== claims.userId) return undefined
    const { sessionId, scopes, expiresAt } = claims
    return {
      principal: { ...toPrincipal(session, scopes), sessionId },
      holds: () => sessions.peek(sessionId) === session && Date.now() < expiresAt
    }
  }

  async function byKey(given: string): Promise<Known | undefined> {
    const key = await keys.find(given)
    return key && { principal: toPrincipal(key, key.scopes), holds: () => keys.peek(key.prefix) === key }
  }

  async function byCookie(given: string): Promise<Known | undefined> {
    const [sessionId = ''] = given.split('.')
    const session = UUID.test(sessionId) ? await sessions.find(sessionId) : undefined
    if (!session?.secretHash || session.kind !== 'browser' || !isSame(sha256(given), session.secretHash))
      return undefined
    return {
      principal: { ...toPrincipal(session, session.scopes), sessionId, browser: true },
      holds: () => sessions.peek(sessionId) === session
    }
  }

  const look = async (given: string): Promise<Known | undefined> => {
    if (given.startsWith(COOKIE)) return byCookie(given.slice(COOKIE.length))
    if (expected && isSame(sha256(given), expected)) return { principal: OPERATOR, holds: () => true }
    return given.startsWith('bee_') ? byKey(given) : byToken(given)
  }

  async function check(shown: string, credential: string): Promise<Identity> {
    const found = await look(credential)
    if (found && shown.length <= LONGEST_KNOWN) known.set(shown, found)
    else known.delete(shown)
    return found?.principal
  }

  /** By the whole of what was shown, so that who is known costs one look into memory. */
  const recall = (shown: string) => {
    const found = known.get(shown)
    return found?.holds() ? found.principal : undefined
  }

  /** Answers at once where it can. A cookie that is no longer good is none: its browser has no say in sending it. */
  return (request: FastifyRequest): Identity | Promise<Identity> => {
    const { authorization, 'x-api-key': key } = request.headers
    const shown = typeof key === 'string' ? key : authorization
    if (shown !== undefined) {
      const credential = typeof key === 'string' ? key : readBearer(shown)
      if (credential !== undefined) return recall(shown) ?? check(shown, credential)
    }
    const cookie = browsers.read(request)
    if (cookie === undefined) return null
    return recall(COOKIE + cookie) ?? check(COOKIE + cookie, COOKIE + cookie).then((found) => found ?? null)
  }
}

/** One token can be shown in many ways, with more and more spaces: those are looked up each time. */
const LONGEST_KNOWN = 2_000

/** Before what a cookie holds, so that it is good as a cookie alone: no header can hold it. */
const COOKIE = '\0'
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

const OPERATOR: Principal = { userId: null, role: 'operator', scopes: scopesOf('operator') }

/** An operator without the scope to operate acts as a user. */
function toPrincipal({ userId, role }: { userId: string; role: Role }, scopes: string[]): Principal {
  return { userId, scopes, role: role === 'operator' && scopes.includes('operate') ? 'operator' : 'user' }
}

/** Other schemes than Bearer are not ours, such as the Basic of a proxy in front. One without a token is ours, and not good. */
const readBearer = (authorization: string) =>
  authorization.slice(0, 7).trimEnd().toLowerCase() === 'bearer' ? authorization.slice(7).trim() : undefined

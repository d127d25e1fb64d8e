/** Who sends a request, by what it shows: a bearer token, an API key, or the one key of the environment. */
import type { FastifyRequest } from 'fastify'
import type { Principal, Role } from '#schema/user'
import { scopesOf } from '#schema/user'
import type { AccessTokens } from './access-tokens.js'
import { createBounded } from './bounded.js'
import type { Keys } from './keys.js'
import { isSame, sha256 } from './secrets.js'
import type { Sessions } from './sessions.js'

export interface IdentifyOptions {
  /** The key of the environment. */
  apiKey: string | undefined
  accessTokens: AccessTokens
  sessions: Sessions
  keys: Keys
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

export function createIdentify({ apiKey, accessTokens, sessions, keys, most }: IdentifyOptions) {
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

  const look = async (given: string): Promise<Known | undefined> => {
    if (expected && isSame(sha256(given), expected)) return { principal: OPERATOR, holds: () => true }
    return given.startsWith('bee_') ? byKey(given) : byToken(given)
  }

  async function check(given: string): Promise<Identity> {
    const found = await look(given)
    if (found) known.set(given, found)
    else known.delete(given)
    return found?.principal
  }

  /** Answers at once where it can. */
  return ({ headers }: FastifyRequest): Identity | Promise<Identity> => {
    const given = readCredential(headers)
    if (given === undefined) return null
    const found = known.get(given)
    return found?.holds() ? found.principal : check(given)
  }
}

const OPERATOR: Principal = { userId: null, role: 'operator', scopes: scopesOf('operator') }

/** An operator without the scope to operate acts as a user. */
function toPrincipal({ userId, role }: { userId: string; role: Role }, scopes: string[]): Principal {
  return { userId, scopes, role: role === 'operator' && scopes.includes('operate') ? 'operator' : 'user' }
}

/** Other schemes than Bearer are not ours, such as the Basic of a proxy in front. */
function readCredential({ 'x-api-key': key, authorization }: FastifyRequest['headers']): string | undefined {
  if (typeof key === 'string') return key
  return authorization === undefined ? undefined : /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1]
}

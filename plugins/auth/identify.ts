/** Who sends a request, by what it shows: a bearer token, an API key, or the one key of the environment. */
import type { FastifyRequest } from 'fastify'
import type { Principal, Role } from '#schema/user'
import { scopesOf } from '#schema/user'
import type { AccessTokens } from './access-tokens.js'
import type { Keys } from './keys.js'
import { isSame, sha256 } from './secrets.js'
import type { Sessions } from './sessions.js'

export interface IdentifyOptions {
  /** The key of the environment. */
  apiKey: string | undefined
  accessTokens: AccessTokens
  sessions: Sessions
  keys: Keys
}

/** `null`: nothing was shown; `undefined`: what was shown is not good. */
export function createIdentify({ apiKey, accessTokens, sessions, keys }: IdentifyOptions) {
  // hashes have one length, so that not even the key's can be told from the time that a comparison takes
  const expected = apiKey === undefined ? undefined : sha256(apiKey)

  async function byToken(token: string): Promise<Principal | undefined> {
    const claims = accessTokens.read(token)
    const session = claims && (await sessions.find(claims.sessionId))
    if (!claims || session?.kind !== 'tokens' || session.userId !== claims.userId) return undefined
    return { ...toPrincipal(session, claims.scopes), sessionId: session.id }
  }

  async function byKey(given: string): Promise<Principal | undefined> {
    const key = await keys.find(given)
    return key && toPrincipal(key, key.scopes)
  }

  return async ({ headers }: FastifyRequest): Promise<Principal | null | undefined> => {
    const given = readCredential(headers)
    if (given === undefined) return null
    if (expected && isSame(sha256(given), expected)) return OPERATOR
    return given.startsWith('bee_') ? byKey(given) : byToken(given)
  }
}

const OPERATOR: Principal = { userId: null, role: 'operator', scopes: scopesOf('operator') }

/** An operator without the scope to operate acts as a user. */
function toPrincipal({ userId, role }: { userId: string; role: Role }, scopes: string[]): Principal {
  return { userId, scopes, role: role === 'operator' && scopes.includes('operate') ? 'operator' : 'user' }
}

/** Other schemes than Bearer are not ours, such as the Basic of a proxy in front. */
function readCredential({ 'x-api-key': key, authorization = '' }: FastifyRequest['headers']): string | undefined {
  if (typeof key === 'string') return key
  return /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1]
}

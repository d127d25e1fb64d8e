/** Access tokens (RFC 9068): short-lived, signed with one algorithm and one key. What their user may do is looked up anew. */
import { randomUUID } from 'node:crypto'
import { createSigner, createVerifier } from 'fast-jwt'
import Type from 'typebox'
import { compile } from '#schema/compile'
import { Uuid } from '#schema/job'
import { keyFor } from './secrets.js'

/** How long one is good, in seconds. */
export const ACCESS_TOKEN_S = 900

const Claims = Type.Object({
  sub: Uuid,
  sid: Uuid,
  scope: Type.String({ maxLength: 200 }),
  exp: Type.Integer()
})

export interface AccessTokenOptions {
  secret: string
  /** Who issues them: the address of this installation. */
  issuer: string
}

/** What a token says. */
export interface Claimed {
  userId: string
  sessionId: string
  scopes: string[]
  /** In ms, as `Date.now()` counts. */
  expiresAt: number
}

export type AccessTokens = ReturnType<typeof createAccessTokens>

export function createAccessTokens({ secret, issuer }: AccessTokenOptions) {
  const key = keyFor('access tokens', secret)
  const audience = `${issuer}/api`
  const sign = createSigner({
    key,
    algorithm: 'HS256',
    header: { alg: 'HS256', typ: 'at+jwt' },
    iss: issuer,
    aud: audience,
    expiresIn: ACCESS_TOKEN_S * 1_000
  })
  const verify = createVerifier({
    key,
    algorithms: ['HS256'],
    checkTyp: 'at+jwt',
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims: ['iss', 'aud', 'exp', 'iat']
  })
  const check = compile(Claims)

  return {
    sign: ({ userId, sessionId, scopes }: { userId: string; sessionId: string; scopes: readonly string[] }) =>
      sign({ sub: userId, sid: sessionId, scope: scopes.join(' '), jti: randomUUID() }),

    /** Undefined for whatever is not one of ours and good now. */
    read(token: string): Claimed | undefined {
      try {
        const { value } = check(verify(token))
        if (!value) return undefined
        const { sub: userId, sid: sessionId, scope, exp } = value
        return { userId, sessionId, scopes: scope.split(' '), expiresAt: exp * 1_000 }
      } catch {
        return undefined
      }
    }
  }
}

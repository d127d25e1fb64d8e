/** The contract of each route: what comes in, what goes out. */
import Type from 'typebox'
import { problems } from '#schema/problem'
import { TokenAnswer, TokenError } from '#schema/user'

const tags = ['log-in']
const consumes = ['application/x-www-form-urlencoded']
const text = (maxLength: number, description: string) => Type.Optional(Type.String({ maxLength, description }))

export const tokenContract = {
  summary: 'Get or refresh an access token',
  description:
    'OAuth 2.0 with the grants `password` (first-party clients only; OAuth 2.1 drops it) and `refresh_token`. A refresh token is good once: each answer holds the next one.',
  tags,
  consumes,
  body: Type.Object({
    grant_type: Type.Union([Type.Literal('password'), Type.Literal('refresh_token')]),
    username: text(100, 'for password'),
    password: text(128, 'for password'),
    refresh_token: text(100, 'for refresh_token'),
    scope: text(200, 'some of read write account operate, separated by spaces; all that are allowed when absent'),
    client_id: text(100, 'beeline, or nothing')
  }),
  response: { 200: TokenAnswer, 400: TokenError, 401: TokenError, ...problems(429, 503) }
}

export const revokeContract = {
  summary: 'Log out: revoke a refresh token and all that came from it',
  tags,
  consumes,
  body: Type.Object({ token: Type.String({ maxLength: 2_000 }), token_type_hint: text(60, 'not needed') }),
  response: { 200: Type.Null(), 400: TokenError, 401: TokenError, ...problems(429, 503) }
}

const Address = Type.String({ maxLength: 2_000 })
const names = Type.Array(Type.String({ maxLength: 60 }), { maxItems: 20 })

export const metadataContract = {
  summary: 'Where and how tokens are had (RFC 8414)',
  tags,
  response: {
    200: Type.Object({
      issuer: Address,
      token_endpoint: Address,
      token_endpoint_auth_methods_supported: names,
      revocation_endpoint: Address,
      revocation_endpoint_auth_methods_supported: names,
      grant_types_supported: names,
      response_types_supported: names,
      scopes_supported: names,
      service_documentation: Address
    })
  }
}

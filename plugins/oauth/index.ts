/**
 * Tokens for programs: password and refresh_token grants (RFC 6749 §4.3 and §6), revocation (RFC 7009), metadata (RFC 8414). The
 * password grant is for our own clients alone, and OAuth 2.1 drops it: it can be switched off.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { SCOPES, scopesOf } from '#schema/user'
import { metadataContract, revokeContract, tokenContract } from './contract.js'
import { answerError, type Fields, readClient, readFields, readScopes, refusal } from './request.js'

export interface OAuthOptions {
  /** Address of this installation, without a slash at its end. Default the one that a request came to. */
  issuer?: string
  /** Whether names and passwords are taken for tokens. Default true. */
  passwordGrant?: boolean
}

async function oauth(app: FastifyInstance, { issuer, passwordGrant = true }: OAuthOptions) {
  const { accounts } = app
  const grants = [...(passwordGrant ? ['password'] : []), 'refresh_token']
  const describe = (address: string) => ({
    issuer: address,
    token_endpoint: `${address}/api/oauth/token`,
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint: `${address}/api/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: ['none'],
    grant_types_supported: grants,
    response_types_supported: [],
    scopes_supported: [...SCOPES],
    service_documentation: `${address}/docs`
  })

  async function byPassword(request: FastifyRequest, { username = '', password = '', scope }: Fields) {
    if (!username || !password) throw refusal('invalid_request', 'username and password are needed')
    const address = app.addressOf(request)
    const user = await accounts.logIn({ username, password, address })
    if (!user) throw wrong()
    const own = scopesOf(user.role)
    // who asks for more is given what they may have, and told so (RFC 6749 §3.3)
    const scopes = (readScopes(scope) ?? own).filter((one) => own.includes(one))
    if (!scopes.length) throw refusal('invalid_scope', `you may have: ${own.join(' ')}`)
    const userAgent = request.headers['user-agent'] ?? ''
    const answer = await accounts.sessions.issueTokens({ user, scopes, address, userAgent })
    if (!answer) throw wrong()
    return answer
  }

  async function byRefreshToken({ refresh_token: token, scope }: Fields) {
    if (!token) throw refusal('invalid_request', 'refresh_token is needed')
    const answer = await accounts.sessions.refresh(token, readScopes(scope))
    if (answer === 'too much') throw refusal('invalid_scope', 'the first token was given for less')
    if (!answer) throw refusal('invalid_grant', 'this refresh token is not good, or no longer: log in again')
    return answer
  }

  const options = { errorHandler: answerError, attachValidation: true, preValidation: app.logInLimit }
  app.post('/api/oauth/token', { schema: tokenContract, ...options }, async (request, reply: FastifyReply) => {
    const fields = readFields(request)
    readClient(request, fields)
    const { grant_type: grant = '' } = fields
    if (!grant) throw refusal('invalid_request', 'grant_type is needed')
    if (!grants.includes(grant)) throw refusal('unsupported_grant_type', `this takes: ${grants.join(' ')}`)
    return reply.send(await (grant === 'password' ? byPassword(request, fields) : byRefreshToken(fields)))
  })

  app.post('/api/oauth/revoke', { schema: revokeContract, ...options }, async (request, reply) => {
    const fields = readFields(request)
    readClient(request, fields)
    if (!fields.token) throw refusal('invalid_request', 'token is needed')
    await accounts.sessions.endByToken(fields.token)
    // also for what is no token of ours (RFC 7009 §2.2)
    return reply.code(200).send()
  })

  app.get('/.well-known/oauth-authorization-server', { schema: metadataContract }, async ({ protocol, host }) =>
    describe(issuer ?? `${protocol}://${host}`)
  )
}

const wrong = () => refusal('invalid_grant', 'name or password is wrong')

export default fp(oauth, {
  name: 'oauth',
  fastify: '5.x',
  encapsulate: true,
  decorators: { fastify: ['accounts', 'addressOf', 'logInLimit'] }
})

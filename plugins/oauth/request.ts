/** What comes in at the token endpoint, and its errors as RFC 6749 §5.2 wants them. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SCOPES, type Scope, type TokenError } from '#schema/user'

/** Form fields; one that is empty is absent (RFC 6749 §3.2). */
export type Fields = Partial<Record<string, string>>

const MOST_LETTERS = 2_000

/** The only client: what we make ourselves. It has no secret to keep. */
const CLIENT = 'beeline'

interface Refusal extends Error {
  oauth: string
  statusCode: number
}

export const refusal = (oauth: string, detail: string, statusCode = 400): Refusal =>
  Object.assign(new Error(detail), { oauth, statusCode })

/** @throws refusal `invalid_request` */
export function readFields({ body, mediaType }: FastifyRequest): Fields {
  if (mediaType !== 'application/x-www-form-urlencoded') {
    throw refusal('invalid_request', 'send application/x-www-form-urlencoded')
  }
  const fields = Object.entries(Object(body))
  for (const [name, value] of fields) {
    if (typeof value !== 'string') throw refusal('invalid_request', `${name.slice(0, 60)} comes more than once`)
    if (value.length > MOST_LETTERS) throw refusal('invalid_request', `${name.slice(0, 60)} is too long`)
    if (value.includes('\0')) throw refusal('invalid_request', `${name.slice(0, 60)} holds the character NUL`)
  }
  return Object.fromEntries(fields.filter(([, value]) => value !== '')) as Fields // all strings, see above
}

/** Clients need not say who they are; those who do must be us. @throws refusal `invalid_client` */
export function readClient({ headers: { authorization = '' } }: FastifyRequest, { client_id }: Fields): void {
  const [, basic] = /^Basic +(\S+)$/i.exec(authorization) ?? []
  const id = basic === undefined ? client_id : Buffer.from(basic, 'base64').toString().split(':')[0]
  if (!id || id === CLIENT) return
  throw refusal('invalid_client', 'tokens are given to our own clients alone', 401)
}

/** @throws refusal `invalid_scope` */
export function readScopes(scope: string | undefined): Scope[] | undefined {
  const names = scope?.split(' ').filter(Boolean)
  if (!names?.length) return undefined
  const known = SCOPES.filter((one) => names.includes(one))
  if (known.length !== new Set(names).size) throw refusal('invalid_scope', `there are: ${SCOPES.join(' ')}`)
  return known
}

/** What Fastify finds wrong with a body. */
const UNREADABLE = new Set([400, 413, 415, 422])

/** Errors of the endpoint are its own; those that any route may have are told as everywhere. */
export function answerError(error: Error & Partial<Refusal>, _request: FastifyRequest, reply: FastifyReply) {
  const { oauth, statusCode = 500, message } = error
  if (!oauth && !UNREADABLE.has(statusCode)) throw error
  const answer: TokenError = {
    error: oauth ?? 'invalid_request',
    error_description: oauth ? message : 'it cannot be read'
  }
  if (statusCode === 401) reply.header('www-authenticate', 'Basic realm="oauth"')
  return reply
    .code(oauth ? statusCode : 400)
    .type('application/json; charset=utf-8')
    .send(answer)
}

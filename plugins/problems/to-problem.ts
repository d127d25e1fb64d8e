/** Which problem an error is. What the server did wrong is never told in detail. */
import { STATUS_CODES } from 'node:http'
import type { FastifyError } from 'fastify'
import { type Fault, MOST_FAULTS, type Problem } from '#schema/problem'

/** Faults that Fastify and its plugins find, by their code. */
const KNOWN: Record<string, { status: number; code: string; detail: string }> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    detail: 'the body is of a type that is not taken here'
  },
  FST_ERR_CTP_INVALID_JSON_BODY: { status: 400, code: 'BROKEN_JSON', detail: 'the body is not valid JSON' },
  FST_ERR_CTP_BODY_TOO_LARGE: {
    status: 413,
    code: 'BODY_TOO_LARGE',
    detail: 'the body is larger than is accepted here'
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    code: 'WRONG_CONTENT_LENGTH',
    detail: 'the body does not have the length that Content-Length says'
  },
  FST_ERR_BAD_URL: { status: 400, code: 'BAD_URL', detail: 'the address cannot be read: check its percent-encoding' },
  FST_ERR_MAX_PARAM_LENGTH: { status: 414, code: 'URL_TOO_LONG', detail: 'a part of the address is too long' }
}

type Tells = (error: unknown) => boolean

export interface DatabaseFaults {
  /** Tells whether an error says that the database is away. */
  isOutage?: Tells
  /** Tells whether an error says that a statement lost to another one, and was not done. */
  isPassing?: Tells
  /** Tells whether an error says that a statement took longer than it may. */
  isTooSlow?: Tells
}

export function toProblem(error: Partial<FastifyError>, database: DatabaseFaults = {}): Problem {
  const { isOutage, isPassing, isTooSlow } = database
  const known = KNOWN[error.code ?? '']
  if (known) return problem(known.status, known.code, known.detail)
  if (error.validation) return invalid(error.validation as unknown as Fault[], error.validationContext)
  // an error with a status of its own is about the request, such as one that its client broke off
  if (!error.statusCode && isTooSlow?.(error))
    return problem(503, 'TOO_SLOW', 'this took the database too long; ask for less, or later')
  if (!error.statusCode && isOutage?.(error))
    return problem(503, 'DATABASE_UNAVAILABLE', 'the database is away; try again soon')
  if (!error.statusCode && isPassing?.(error))
    return problem(503, 'BUSY', 'somebody else is changing the same just now, and nothing was done; try again soon')
  const { statusCode: status = 500, code = '', message = '' } = error
  if (status < 400 || (status >= 500 && !isOurs(code))) {
    return problem(500, 'INTERNAL', 'something went wrong here; it was noted under the id of this request')
  }
  if (isOurs(code)) return problem(status, code, message, (error as { errors?: Fault[] }).errors)
  if (error.name === 'SyntaxError') return problem(400, 'BROKEN_JSON', 'the body is not valid JSON')
  const title = STATUS_CODES[status] ?? 'Error'
  return problem(status, title.toUpperCase().replace(/[^A-Z]+/g, '_'), title)
}

function invalid(faults: Fault[], context = 'body'): Problem {
  const status = context === 'body' ? 422 : 400
  return problem(status, `INVALID_${context.toUpperCase()}`, `${UNFIT[context] ?? UNFIT.body}; see errors`, faults)
}

/** By the part of the request that was checked, as Fastify names it. */
const UNFIT: Record<string, string> = {
  body: 'the body does not fit',
  headers: 'the headers do not fit',
  params: 'the path of the address does not fit',
  querystring: 'the query of the address does not fit'
}

function problem(status: number, code: string, detail: string, errors?: Fault[]): Problem {
  const title = STATUS_CODES[status] ?? 'Error'
  return { type: 'about:blank', title, status, code, detail, ...(errors && { errors: errors.slice(0, MOST_FAULTS) }) }
}

/** Errors thrown by `problem()` have codes of our own; those of others start with their maker's sign. */
const isOurs = (code: string) => /^[A-Z][A-Z0-9_]+$/.test(code) && !/^(FST_|FASTIFY_|ERR_|E[A-Z]+$)/.test(code)

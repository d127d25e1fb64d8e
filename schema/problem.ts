/** The body of every error answer (RFC 9457) and the error that carries it. */
import Type, { type Static } from 'typebox'

export const Fault = Type.Object({
  pointer: Type.String({ maxLength: 1000, description: 'JSON pointer to the value at fault; "" is the whole body' }),
  detail: Type.String({ maxLength: 1000, description: 'what is wrong with it' })
})
export type Fault = Static<typeof Fault>

/** Faults that one answer tells. */
export const MOST_FAULTS = 1_000

export const Problem = Type.Object(
  {
    type: Type.String({ maxLength: 200, default: 'about:blank' }),
    title: Type.String({ maxLength: 200, description: "the status code's phrase" }),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String({ maxLength: 60, description: 'stable name of the fault, upper case' }),
    detail: Type.String({ maxLength: 2000, description: 'a sentence for people' }),
    instance: Type.Optional(Type.String({ maxLength: 200, description: 'id of the request' })),
    errors: Type.Optional(Type.Array(Fault, { maxItems: MOST_FAULTS }))
  },
  { title: 'Problem', description: 'An error answer (RFC 9457)' }
)
export type Problem = Static<typeof Problem>

/** The error answers in a route's contract, by status: `response: { 200: Task, ...problems(401, 404) }`. */
export const problems = (...statuses: number[]) =>
  Object.fromEntries(statuses.map((status) => [status, { $ref: 'Problem#' }]))

export interface ProblemError extends Error {
  statusCode: number
  code: string
  errors?: Fault[]
  /** Seconds after which a repeat makes sense, sent as `Retry-After`. */
  retryAfter?: number
}

/** An error to throw: `throw problem(404, 'TASK_NOT_FOUND', 'no task 42')`. */
export function problem(
  statusCode: number,
  code: string,
  detail: string,
  more: { errors?: Fault[]; retryAfter?: number; cause?: unknown } = {}
): ProblemError {
  const { cause, ...rest } = more
  return Object.assign(new Error(detail, cause === undefined ? undefined : { cause }), { statusCode, code, ...rest })
}

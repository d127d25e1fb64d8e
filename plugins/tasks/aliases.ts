/** What the programs of older systems send: the key `"is done"`, and its value as text. The documented name is `is_done`. */
import { problem } from '#schema/problem'

/** The body as it is documented. Anything else in it is left to the check. @throws problem 422 when both names are there */
export function withoutAliases(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const { 'is done': alias, ...rest }: { 'is done'?: unknown; is_done?: unknown } = body
  if (!Object.hasOwn(body, 'is done')) return 'is_done' in rest ? { ...rest, is_done: toBoolean(rest.is_done) } : body
  if (!Object.hasOwn(rest, 'is_done')) return { ...rest, is_done: toBoolean(alias) }
  throw problem(422, 'INVALID_BODY', 'the body does not fit; see errors', {
    errors: [{ pointer: '/is done', detail: 'is another name of is_done: send one of them' }]
  })
}

function toBoolean(value: unknown): unknown {
  const text = typeof value === 'string' ? value.toLowerCase() : undefined
  return text === 'true' ? true : text === 'false' ? false : value
}

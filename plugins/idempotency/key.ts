/** The key of a request: who sent it where, and what was asked. */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'

export interface IdempotencyKey {
  /** Who and where: principal or "anon", then the route. */
  scope: string
  key: string
  /** SHA-256 of what was asked, in hex. */
  hash: string
}

interface KeyOptions {
  /** What the key belongs to: the same for every address of one thing. */
  route: string
  /** What is asked, for the comparison. */
  asked: unknown
  /** The key of a form page; the header's comes first. */
  given?: unknown
}

/** RFC 8941 strings without their quotes: visible ASCII. */
const KEY = /^[\x21-\x7e]{1,255}$/

export function readKey(request: FastifyRequest, { route, asked, given }: KeyOptions): IdempotencyKey | undefined {
  const key = request.headers['idempotency-key'] ?? (given || undefined)
  if (key === undefined) return undefined
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw problem(400, 'IDEMPOTENCY_KEY_INVALID', 'Idempotency-Key must be 1 to 255 visible ASCII characters')
  }
  const hash = createHash('sha256').update(toText(asked)).digest('hex')
  return { scope: `${nameCaller(request)} ${request.method} ${route}`, key, hash }
}

/** Keys of two callers never meet; those who do not say who they are share theirs. */
function nameCaller({ principal }: FastifyRequest): string {
  if (!principal) return 'anon'
  return principal.userId ? `user:${principal.userId}` : 'environment'
}

/** What was asked, as text. It is not checked yet: there may be no body, or one that is too deep to be written out. */
function toText(asked: unknown): string {
  try {
    return JSON.stringify(asked ?? null, inOrder)
  } catch (cause) {
    if (cause instanceof RangeError) throw problem(422, 'BODY_TOO_DEEP', 'the body is nested too deeply', { cause })
    throw cause
  }
}

/** For JSON.stringify: the same object in another order of its names is the same request. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What tells it from all others. */
export const nameOf = ({ scope, key }: Pick<IdempotencyKey, 'scope' | 'key'>) => `${scope}\n${key}`

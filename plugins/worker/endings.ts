/** How an attempt that did not succeed ends: what is noted, and when the next one comes. */
import type { FastifyInstance } from 'fastify'
import type { Check } from '#schema/registry'
import type { Verdict } from './handler.js'
import type { ClaimedJob } from './leases.js'

type Ending = Parameters<FastifyInstance['ledger']['finish']>[0]
type Unfit =
  | { outcome: 'released'; delayMs: number }
  | { outcome: 'schema_mismatch'; error: { code: string; detail: string } }

/** Pause before a job that this consumer does not know goes to another, in ms. */
const UNKNOWN_MS = 30_000
const BACKOFF_MS = 1_000
const MOST_BACKOFF_MS = 300_000
/** Bytes of the largest result that is kept, as JSON. */
const MOST_RESULT = 1_048_576
/** Longest pause that a handler may ask for: 30 days. */
const MOST_PAUSE_MS = 2_592_000_000

/**
 * An ending where the payload cannot be run (design rule 12): an unknown type or a newer version is left to a newer consumer,
 * what does not fit a known version is dead.
 */
export function judgePayload(
  { payload, schemaVersion }: Pick<ClaimedJob, 'payload' | 'schemaVersion'>,
  definition: { version: number; checkPayload: Check } | undefined
): Unfit | undefined {
  if (!definition || schemaVersion > definition.version) return { outcome: 'released', delayMs: UNKNOWN_MS }
  const { errors } = definition.checkPayload(payload)
  if (!errors) return undefined
  const detail = errors.map(({ pointer, detail }) => `${pointer || 'the payload'} ${detail}`).join('; ')
  return { outcome: 'schema_mismatch', error: { code: 'SCHEMA_MISMATCH', detail: cut(detail) } }
}

/** What is wrong with a result, if anything is. */
export function findFault(
  result: unknown,
  definition: { checkResult: Check; longestResult: number } | undefined
): Error | undefined {
  const { errors } = definition?.checkResult(result) ?? {}
  if (errors) {
    const detail = errors.map(({ pointer, detail }) => `${pointer || 'the result'} ${detail}`).join('; ')
    return Object.assign(new Error(detail), { code: 'RESULT_INVALID' })
  }
  if (!isTooLarge(result, definition?.longestResult)) return undefined
  return Object.assign(new Error(`the result has more than ${MOST_RESULT} bytes`), { code: 'RESULT_TOO_LARGE' })
}

/** Measured only where the schema lets a result be that large. */
const isTooLarge = (result: unknown, longest = 0) =>
  longest > MOST_RESULT && Buffer.byteLength(JSON.stringify(result) ?? '') > MOST_RESULT

export interface Circumstances {
  /** Of the attempt, when it was aborted. */
  signal?: AbortSignal
  /** Whether it was the attempt of several jobs together, so that nobody knows which of them is at fault. */
  shared?: boolean
}

/** The ending of an attempt that threw, whatever it threw. */
export function judgeError(job: ClaimedJob, thrown: unknown, { signal, shared = false }: Circumstances = {}): Ending {
  if (signal?.reason === 'timed_out') {
    const error = { code: 'TIMED_OUT', detail: `the attempt took longer than ${job.timeoutMs} ms` }
    return { job, outcome: 'timed_out', error, retryInMs: backOff(job.attempts) }
  }
  const { verdict, retryInMs = Number.NaN, code, detail } = describe(thrown)
  const error = { code, detail }
  if (verdict === 'give-up' && !shared) return { job, outcome: 'gave_up', error }
  const pause = Number.isFinite(retryInMs) ? Math.min(Math.max(retryInMs, 0), MOST_PAUSE_MS) : backOff(job.attempts)
  return { job, outcome: 'failed', error, retryInMs: pause }
}

/** What can be told of a thrown value. Reading it may itself throw. */
function describe(thrown: unknown): Partial<Verdict> & { code: string; detail: string } {
  try {
    if (!(thrown instanceof Error)) return { code: 'HANDLER_FAILED', detail: cut(String(thrown)) }
    const { verdict, retryInMs } = thrown as Partial<Verdict>
    const given = 'code' in thrown ? String(thrown.code) : ''
    const code = /^[A-Z][A-Z0-9_]{2,59}$/.test(given) ? given : 'HANDLER_FAILED'
    return { verdict, retryInMs, code, detail: cut(String(thrown.message)) }
  } catch {
    return { code: 'HANDLER_FAILED', detail: 'the handler threw something that cannot be told in words' }
  }
}

/** Pause before the next attempt, in ms: 1 s, doubled each time up to 5 minutes, and half of it up to chance. */
export function backOff(attempts: number, chance = Math.random()): number {
  const full = Math.min(BACKOFF_MS * 2 ** (attempts - 1), MOST_BACKOFF_MS)
  return Math.round(full * (0.5 + chance / 2))
}

/** Postgres keeps no NUL, and an error needs no more than a paragraph. */
const cut = (detail: string) => detail.slice(0, 2_000).replaceAll('\0', '').toWellFormed()

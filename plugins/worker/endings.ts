/** How an attempt that did not succeed ends: what is noted, and when the next one comes. */
import type { FastifyInstance } from 'fastify'
import type { Check } from '#schema/registry'
import type { Verdict } from './handler.js'
import type { ClaimedJob } from './leases.js'

type Ending = Parameters<FastifyInstance['ledger']['finish']>[0]

/** Pause before a job that this consumer does not know goes to another, in ms. */
const UNKNOWN_MS = 30_000
const BACKOFF_MS = 1_000
const MOST_BACKOFF_MS = 300_000

/**
 * An ending where the payload cannot be run (design rule 12): an unknown type or a newer version is left to a newer consumer,
 * what does not fit a known version is dead.
 */
export function judgePayload(
  job: ClaimedJob,
  definition: { version: number; checkPayload: Check } | undefined
): Ending | undefined {
  if (!definition || job.schemaVersion > definition.version) return { job, outcome: 'released', delayMs: UNKNOWN_MS }
  const { errors } = definition.checkPayload(job.payload)
  if (!errors) return undefined
  const detail = errors.map(({ pointer, detail }) => `${pointer || 'the payload'} ${detail}`).join('; ')
  return { job, outcome: 'schema_mismatch', error: { code: 'SCHEMA_MISMATCH', detail: cut(detail) } }
}

/** The ending of an attempt that threw. */
export function judgeError(job: ClaimedJob, thrown: unknown, signal?: AbortSignal): Ending {
  if (signal?.reason === 'timed_out') {
    const error = { code: 'TIMED_OUT', detail: `the attempt took longer than ${job.timeoutMs} ms` }
    return { job, outcome: 'timed_out', error, retryInMs: backOff(job.attempts) }
  }
  const error = { code: codeOf(thrown), detail: cut(thrown instanceof Error ? thrown.message : String(thrown)) }
  const { verdict, retryInMs } = (thrown instanceof Error ? thrown : {}) as Partial<Verdict>
  if (verdict === 'give-up') return { job, outcome: 'gave_up', error }
  return { job, outcome: 'failed', error, retryInMs: retryInMs ?? backOff(job.attempts) }
}

/** Pause before the next attempt, in ms: 1 s, doubled each time up to 5 minutes, and half of it up to chance. */
export function backOff(attempts: number, chance = Math.random()): number {
  const full = Math.min(BACKOFF_MS * 2 ** (attempts - 1), MOST_BACKOFF_MS)
  return Math.round(full * (0.5 + chance / 2))
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return /^[A-Z][A-Z0-9_]{2,59}$/.test(code) ? code : 'HANDLER_FAILED'
}

/** Postgres keeps no NUL, and an error needs no more than a paragraph. */
const cut = (detail: string) => detail.replaceAll('\0', '').toWellFormed().slice(0, 2_000)

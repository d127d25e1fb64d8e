/** What a handler is: how a job type's work is done. One file each in services/consumer/handlers, named as its type. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { QueryConfig } from 'pg'
import type { Static, TSchema } from 'typebox'
import type { JobDefinition } from '#schema/job'

export interface RunContext {
  /**
   * Aborts when the attempt times out, the consumer stops, or the job is cancelled or taken over; in `runMany` not before that is so
   * with all of its jobs.
   */
  signal: AbortSignal
  /** Tells how far the work is, 0 to 100; shown within about a second. What is no number is passed over. */
  progress: (percent: number) => void
  /** Logs with the job's queue and type, and its id and trace; in `runMany` with the number of jobs in their place. */
  log: FastifyBaseLogger
}

export interface RunningJob<Payload> {
  id: string
  payload: Payload
  /** The user who sent it; null for nobody known. */
  ownerId: string | null
}

/**
 * `run` does one job, `runMany` the jobs of a delivery together and answers their results in order, `answer` is for jobs that are
 * only stored: it tells the result without doing anything; a handler has one of them. They hold no database connection. What they
 * throw ends the attempt: `giveUp` for good, `retryIn` until then, anything else with the usual back-off. What `runMany` throws for
 * several jobs at once condemns none of them: each is tried again, alone. `store` answers one SQL statement (for several tables one
 * with common table expressions) that writes the effects of jobs of one type; it goes along with the commit that finishes them.
 */
export interface Handler<Payload, Result> {
  run?: (payload: Payload, context: RunContext & { job: RunningJob<Payload> }) => Result | Promise<Result>
  runMany?: (jobs: RunningJob<Payload>[], context: RunContext) => Result[] | Promise<Result[]>
  answer?: (job: RunningJob<Payload>) => Result
  store?: (jobs: RunningJob<Payload>[], results: Result[]) => QueryConfig
}

export type HandlerFactory = (app: FastifyInstance) => Handler<unknown, unknown>

/** Ties a handler to its job type's schemas. It is made once the consumer's plugins are there. */
export function defineHandler<P extends TSchema, R extends TSchema>(
  _definition: JobDefinition<P, R>,
  factory: (app: FastifyInstance) => Handler<Static<P>, Static<R>>
): HandlerFactory {
  // the worker checks payloads against the definition's schema before it calls
  return factory as HandlerFactory
}

export interface Verdict extends Error {
  verdict: 'give-up' | 'retry'
  retryInMs?: number
}

/** An error to throw: no further attempt makes sense. */
export const giveUp = (detail: string, cause?: unknown): Verdict =>
  Object.assign(new Error(detail, { cause }), { verdict: 'give-up' as const })

/** An error to throw: the next attempt makes sense after so many milliseconds, if attempts are left. */
export const retryIn = (retryInMs: number, detail: string, cause?: unknown): Verdict =>
  Object.assign(new Error(detail, { cause }), { verdict: 'retry' as const, retryInMs })

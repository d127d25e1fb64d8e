/** Work for the consumer: its definition, its life and what the outside sees of it. */
import Type, { type Static, type TSchema } from 'typebox'

export const Uuid = Type.String({ format: 'uuid', maxLength: 36 })
/** RFC 3339, in UTC. */
export const Timestamp = Type.String({ format: 'date-time', maxLength: 35 })

const JOB_STATES = ['queued', 'active', 'succeeded', 'dead', 'cancelled', 'expired'] as const
export const JobState = Type.Union(JOB_STATES.map((state) => Type.Literal(state)))
export type JobState = (typeof JOB_STATES)[number]

/** States that no job leaves. */
export const FINISHED: readonly JobState[] = ['succeeded', 'dead', 'cancelled', 'expired']

export interface JobDefinition<P extends TSchema = TSchema, R extends TSchema = TSchema> {
  /** What it does, in a few words. */
  title: string
  /** Bee-Queue queue that carries it; types of one queue share its consumers. */
  queue: string
  /** Version of the payload's shape, from 1. A consumer that knows only an older one leaves the job to a newer consumer. */
  version: number
  payload: P
  result: R
  limits: JobLimits
}

export interface JobLimits {
  /** Attempts after which a job is dead, 1 to 100. */
  maxAttempts: number
  /** Time that one attempt may take, in ms, 100 to 86,400,000. */
  timeoutMs: number
  /** Jobs in one delivery: 1 for long handlers, up to 100 for short ones. */
  batch: number
  /** Deliveries that one consumer works on at a time, 1 to 100; the least of its queue's types counts. */
  concurrency: number
}

/** Checks a definition's type while its schemas stay known. */
export const defineJob = <P extends TSchema, R extends TSchema>(definition: JobDefinition<P, R>) => definition

/** Answer to an accepted job: 202 with the place to look. */
export const AsyncTask = Type.Object(
  { id: Uuid, status: JobState },
  { title: 'AsyncTask', additionalProperties: false }
)
export type AsyncTask = Static<typeof AsyncTask>

/** What the public status page of a form's job tells: state and times, never payload or result. */
export const JobStatus = Type.Object(
  {
    id: Uuid,
    status: JobState,
    progress: Type.Union([Type.Number({ minimum: 0, maximum: 100 }), Type.Null()]),
    attempts: Type.Integer({ minimum: 0 }),
    created_at: Timestamp,
    started_at: Type.Union([Timestamp, Type.Null()]),
    finished_at: Type.Union([Timestamp, Type.Null()])
  },
  { title: 'JobStatus', additionalProperties: false }
)
export type JobStatus = Static<typeof JobStatus>

/** What a program needs to follow a task: its id, how far it is, and its result, null until there is one. */
export const AsyncTaskStatus = Type.Object(
  { id: Uuid, status: JobState, result: Type.Unknown() },
  { title: 'AsyncTaskStatus' }
)
export type AsyncTaskStatus = Static<typeof AsyncTaskStatus>

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

const JobError = Type.Object({ code: Type.String({ maxLength: 60 }), detail: Type.String({ maxLength: 2000 }) })

/** A job in a list. */
export const JobSummary = Type.Object(
  {
    ...JobStatus.properties,
    type: Type.String({ maxLength: 60 }),
    queue: Type.String({ maxLength: 60 }),
    version: Type.Integer({ minimum: 1, description: 'grows with every change' }),
    max_attempts: Type.Integer({ minimum: 1 }),
    timeout_ms: Type.Integer({ minimum: 1, description: 'time for one attempt' }),
    run_at: Timestamp,
    expires_at: orNull(Timestamp),
    error: orNull(JobError),
    owner_id: Type.Union([Uuid, Type.Null()], { description: 'the user who sent it; null for nobody known' }),
    batch_id: orNull(Uuid),
    replay_of: orNull(Uuid),
    forgotten_at: Type.Union([Timestamp, Type.Null()], { description: 'when the result was taken away' })
  },
  { title: 'JobSummary', additionalProperties: false }
)
export type JobSummary = Static<typeof JobSummary>

/** A job as its owner reads it. */
export const Job = Type.Object(
  {
    ...JobSummary.properties,
    payload: Type.Unknown(),
    result: Type.Unknown({ description: 'null until it succeeded, and after it was forgotten' }),
    replayed_by: Type.Union([Uuid, Type.Null()], { description: 'the job that repeats this one' })
  },
  { title: 'Job', additionalProperties: false }
)
export type Job = Static<typeof Job>

/** An attempt that did not succeed. */
export const Attempt = Type.Object(
  {
    attempt: Type.Integer({ minimum: 1 }),
    outcome: Type.Union(
      (['failed', 'timed_out', 'gave_up', 'lapsed', 'schema_mismatch'] as const).map((one) => Type.Literal(one))
    ),
    error: JobError,
    started_at: orNull(Timestamp),
    finished_at: Timestamp
  },
  { title: 'Attempt', additionalProperties: false }
)
export type Attempt = Static<typeof Attempt>

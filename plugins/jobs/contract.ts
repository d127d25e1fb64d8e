/** The contract of each route: what comes in, what goes out. */
import Type from 'typebox'
import { AsyncTask, Attempt, Job, JobState, JobSummary, Timestamp, Uuid } from '#schema/job'
import type { JobType } from '#schema/registry'

const tags = ['jobs']
const ProblemAnswer = { $ref: 'Problem#' }
const problems = (...statuses: number[]) => Object.fromEntries(statuses.map((status) => [status, ProblemAnswer]))

export const DEFAULT_WAIT_S = 30
export const MOST_WAIT_S = 360
/** Payloads in one batch. */
export const MOST_IN_BATCH = 1_000
/** Dead jobs that one request repeats. */
export const MOST_REPLAYED = 1_000

export const JobKey = Type.Object({ id: Uuid })

const Headers = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({ maxLength: 255, description: 'makes repeating the request harmless' })
  ),
  prefer: Type.Optional(
    Type.String({
      maxLength: 500,
      description: '`wait=10` sets how long, in s; `respond-async` does not wait (RFC 7240)'
    })
  )
})

/** When and how long, within the limits of the type. */
const timing = ({ limits }: JobType) => ({
  run_at: Type.Optional(Type.String({ format: 'date-time', maxLength: 35, description: 'not before this time' })),
  expires_in: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 2_592_000, description: 'a job not begun after so many seconds never runs' })
  ),
  timeout: Type.Optional(
    Type.Number({ minimum: 0.1, maximum: limits.timeoutMs / 1_000, description: 'time for one attempt, in s' })
  )
})

export const submitContract = (type: JobType) => ({
  summary: `${type.title}: send and wait for the result`,
  description: `Answers the result. Without \`Prefer: wait\` it waits ${DEFAULT_WAIT_S} s, at most ${MOST_WAIT_S} s. Then the job goes on (\`on_timeout=detach\`, 202) or is cancelled (\`on_timeout=revoke\`, 408).`,
  tags,
  headers: Headers,
  querystring: Type.Object(
    {
      ...timing(type),
      on_timeout: Type.Union([Type.Literal('detach'), Type.Literal('revoke')], { default: 'detach' })
    },
    { additionalProperties: false }
  ),
  body: type.payload,
  response: { 200: type.result, 202: AsyncTask, ...problems(400, 401, 403, 408, 409, 410, 413, 415, 422, 429, 503) }
})

export const asyncContract = (type: JobType) => ({
  summary: `${type.title}: send, look later`,
  tags,
  headers: Headers,
  querystring: Type.Object(timing(type), { additionalProperties: false }),
  body: type.payload,
  response: { 202: AsyncTask, ...problems(400, 401, 403, 409, 413, 415, 422, 429, 503) }
})

export const BatchTask = Type.Object(
  {
    batch_id: Uuid,
    items: Type.Array(Type.Object({ ...AsyncTask.properties, item: Type.Integer({ minimum: 0 }) }), {
      maxItems: MOST_IN_BATCH,
      description: 'the jobs, each with the place of its payload in the request'
    }),
    errors: Type.Array(
      Type.Object({ pointer: Type.String({ maxLength: 1000 }), detail: Type.String({ maxLength: 1000 }) }),
      {
        maxItems: 100,
        description: 'with `partial=true`: what was left out, and why'
      }
    )
  },
  { title: 'BatchTask', additionalProperties: false }
)

export const batchContract = (type: JobType) => ({
  summary: `${type.title}: send up to ${MOST_IN_BATCH} at once`,
  description: 'All are stored in one commit, or none; with `partial=true` those that fit.',
  tags,
  headers: Headers,
  querystring: Type.Object(
    { ...timing(type), partial: Type.Boolean({ default: false, description: 'leave out what does not fit' }) },
    { additionalProperties: false }
  ),
  body: Type.Array(Type.Unknown(), { minItems: 1, maxItems: MOST_IN_BATCH, description: `payloads: ${type.title}` }),
  response: { 202: BatchTask, ...problems(400, 401, 403, 409, 413, 415, 422, 429, 503) }
})

export const jobContract = {
  summary: 'Read a job',
  tags,
  params: JobKey,
  response: { 200: Job, ...problems(400, 401, 403, 404) }
}

export const resultContract = {
  summary: "Read a job's result",
  description:
    '202 while it is open. With `forget=true`, which takes a token or key with the scope `write`, the result goes once this answer was written out.',
  tags,
  params: JobKey,
  querystring: Type.Object({ forget: Type.Boolean({ default: false }) }, { additionalProperties: false }),
  response: { 202: AsyncTask, ...problems(400, 401, 403, 404, 409, 410) }
}

export const eventsContract = {
  summary: 'Follow a job',
  description:
    'Server-sent events `state`, the id of each being the version of the job; the last one tells how it ended.',
  tags,
  params: JobKey,
  produces: ['text/event-stream'],
  response: problems(400, 401, 403, 404, 503)
}

export const cancelContract = {
  summary: 'Cancel a job',
  description: 'A waiting job never runs; the attempt that runs is aborted.',
  tags,
  params: JobKey,
  response: { 204: Type.Null(), ...problems(400, 401, 403, 404, 409) }
}

const filters = {
  type: Type.Optional(Type.String({ maxLength: 60 })),
  error_code: Type.Optional(Type.String({ maxLength: 60, description: 'code of the last error' })),
  created_after: Type.Optional(Timestamp),
  created_before: Type.Optional(Timestamp)
}

export const listContract = {
  summary: 'List jobs, newest first',
  description:
    'A page may be short, even empty, and yet not the last: `next` tells. Rows that fit a rare filter are found page by page.',
  tags,
  querystring: Type.Object(
    {
      ...filters,
      state: Type.Optional(JobState),
      batch: Type.Optional(Uuid),
      payload_at: Type.Optional(
        Type.String({ maxLength: 200, pattern: '^(/[^/]*)+$', description: 'JSON pointer into the payload' })
      ),
      payload_is: Type.Optional(Type.String({ maxLength: 500, description: 'text of the value there' })),
      limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
      before: Type.Optional(Uuid)
    },
    { additionalProperties: false }
  ),
  response: {
    200: Type.Object({
      items: Type.Array(JobSummary, { maxItems: 200 }),
      next: Type.Union([Uuid, Type.Null()], { description: '`before` of the next page; null at the end' })
    }),
    ...problems(400, 401, 403)
  }
}

export const attemptsContract = {
  summary: 'Read the attempts that did not succeed',
  tags,
  params: JobKey,
  response: {
    200: Type.Object({ items: Type.Array(Attempt, { maxItems: 1_000 }), next: Type.Null() }),
    ...problems(400, 401, 403, 404)
  }
}

export const replayContract = {
  summary: 'Repeat a dead job',
  description: 'A new job with the same payload, or with the one given. The dead one stays, and both name each other.',
  tags,
  params: JobKey,
  headers: Type.Object({ 'idempotency-key': Type.Optional(Type.String({ maxLength: 255 })) }),
  body: Type.Union([
    Type.Object({ payload: Type.Optional(Type.Unknown()) }, { additionalProperties: false }),
    Type.Null()
  ]),
  response: { 202: AsyncTask, ...problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503) }
}

export const replayManyContract = {
  summary: 'Repeat the dead jobs that fit',
  description: `At most ${MOST_REPLAYED} at a time, oldest first; those that were repeated before are passed over. With \`dry_run\` nothing happens.`,
  tags,
  body: Type.Object({ ...filters, dry_run: Type.Boolean() }, { additionalProperties: false }),
  response: {
    200: Type.Object({
      matching: Type.Integer({ minimum: 0, description: 'dead jobs that fitted before' }),
      replayed: Type.Integer({ minimum: 0 }),
      refused: Type.Array(Type.Object({ id: Uuid, detail: Type.String({ maxLength: 2000 }) }), { maxItems: 100 })
    }),
    ...problems(400, 401, 403, 415, 422, 503)
  }
}

export const balanceContract = {
  summary: 'Compare what was accepted with what the ledger holds',
  description: 'Reads the whole ledger.',
  tags,
  response: {
    200: Type.Object({
      balanced: Type.Boolean(),
      accepted: Type.Integer({ description: 'jobs counted in the commits that accepted them' }),
      states: Type.Record(Type.String({ maxLength: 20 }), Type.Integer()),
      effects: Type.Array(
        Type.Object({
          type: Type.String({ maxLength: 60 }),
          succeeded: Type.Integer(),
          rows: Type.Integer({ description: 'rows that its handler stored' })
        }),
        { maxItems: 100 }
      ),
      queues: Type.Array(
        Type.Object({
          queue: Type.String({ maxLength: 60 }),
          waiting: Type.Integer({ description: 'jobs that are due' }),
          oldest_waits_s: Type.Number({ description: 'how long the oldest of them has been due, in s' })
        }),
        { maxItems: 1_000 }
      )
    }),
    ...problems(401, 403, 503)
  }
}

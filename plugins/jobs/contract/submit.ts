/** The contracts of the ways in. */
import Type from 'typebox'
import { AsyncTask, Uuid } from '#schema/job'
import { MOST_FAULTS, problems } from '#schema/problem'
import type { JobType } from '#schema/registry'
import { tags } from './parts.js'

export const DEFAULT_WAIT_S = 30
export const MOST_WAIT_S = 360
/** Payloads in one batch. */
const MOST_IN_BATCH = 1_000

/** The body of a batch: its payloads, which are checked one by one. */
export const Payloads = Type.Array(Type.Unknown(), { minItems: 1, maxItems: MOST_IN_BATCH })

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
    Type.Integer({ minimum: 1, maximum: 2_592_000, description: 'after so many seconds no attempt begins any more' })
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

const BatchTask = Type.Object(
  {
    batch_id: Uuid,
    items: Type.Array(Type.Object({ ...AsyncTask.properties, item: Type.Integer({ minimum: 0 }) }), {
      maxItems: MOST_IN_BATCH,
      description: 'the jobs, each with the place of its payload in the request'
    }),
    errors: Type.Array(
      Type.Object({ pointer: Type.String({ maxLength: 1000 }), detail: Type.String({ maxLength: 1000 }) }),
      {
        maxItems: MOST_FAULTS,
        description: 'with `partial=true`: what was left out, each payload with its first fault at the least'
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
  body: { ...Payloads, description: `payloads: ${type.title}` },
  response: { 202: BatchTask, ...problems(400, 401, 403, 409, 413, 415, 422, 429, 503) }
})

/** The contracts of looking: at one job, at many, at all together. */
import Type from 'typebox'
import { AsyncTask, Attempt, Job, JobState, JobSummary, Uuid } from '#schema/job'
import { problems } from '#schema/problem'
import { filters, JobKey, tags } from './parts.js'

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
  response: {
    200: Type.Unknown({ description: 'the result, as its job type defines it' }),
    202: AsyncTask,
    ...problems(400, 401, 403, 404, 409, 410)
  }
}

export const eventsContract = {
  summary: 'Follow a job',
  description:
    'Server-sent events `state`, the id of each being the version of the job; the last one tells how it ended.',
  tags,
  params: JobKey,
  produces: ['text/event-stream'],
  response: {
    200: { description: 'the events', content: { 'text/event-stream': { schema: Type.String() } } },
    204: { description: 'nothing more will come: `Last-Event-ID` was its end', type: 'null' },
    ...problems(400, 401, 403, 404, 503)
  }
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

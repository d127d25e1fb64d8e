/** The contracts of putting right. */
import Type from 'typebox'
import { AsyncTask, Uuid } from '#schema/job'
import { problems } from '#schema/problem'
import { filters, JobKey, tags } from './parts.js'

/** Dead jobs that one request repeats. */
export const MOST_REPLAYED = 1_000
/** Refusals that it tells. */
export const MOST_TOLD = 100

export const cancelContract = {
  summary: 'Cancel a job',
  description: 'A waiting job never runs; the attempt that runs is aborted.',
  tags,
  params: JobKey,
  response: { 204: Type.Null(), ...problems(400, 401, 403, 404, 409, 503) }
}

export const replayContract = {
  summary: 'Repeat a job that is dead, cancelled or expired',
  description:
    'A new job with the same payload, or with the one given, and the same time for an attempt. The original stays, and both name each other. A job is repeated once; its repeat can be repeated in turn.',
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
  summary: 'Repeat the dead jobs that match the filters',
  description: `Only dead jobs: cancelled and expired ones are repeated one by one. At most ${MOST_REPLAYED} at a time, oldest first; those that were repeated before are passed over. Go on with \`next\` as \`after\`: what is refused is left behind. Where there is no room for more jobs a page ends early, or is 429 or 503: ask again later. With \`dry_run\` they are only counted.`,
  tags,
  body: Type.Object(
    { ...filters, dry_run: Type.Boolean(), after: Type.Optional(Uuid) },
    { additionalProperties: false }
  ),
  response: {
    200: Type.Object({
      matching: Type.Integer({ minimum: 0, description: 'dead jobs that matched, all from `after` on' }),
      replayed: Type.Integer({ minimum: 0 }),
      refused: Type.Array(Type.Object({ id: Uuid, detail: Type.String({ maxLength: 2000 }) }), {
        maxItems: MOST_TOLD,
        description: 'the first of those that cannot be repeated, and why'
      }),
      refused_in_all: Type.Integer({ minimum: 0, description: 'how many cannot be repeated' }),
      next: Type.Union([Uuid, Type.Null()], { description: '`after` of the next page; null at the end' })
    }),
    ...problems(400, 401, 403, 415, 422, 429, 503)
  }
}

/** Submissions to look through: operators see all, users their own. It belongs in the private part. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type, { type Static } from 'typebox'
import { FormName } from '#schema/form'
import { Uuid } from '#schema/job'
import { linkToNext } from '#schema/next-page'
import { problem, problems } from '#schema/problem'
import { Mode, Submission } from '#schema/submission'
import { ownerSeenBy } from '#schema/user'

const tags = ['submissions']

const Query = Type.Object(
  {
    form: Type.Optional(FormName),
    mode: Type.Optional(Mode),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 50 }),
    before: Type.Optional(Uuid)
  },
  { additionalProperties: false }
)

const listContract = {
  summary: 'List submissions, newest first',
  description:
    'Operators see all, users their own. A page may be short, even empty, and yet not the last: `next` tells.',
  tags,
  querystring: Query,
  response: {
    200: Type.Object({
      items: Type.Array(Submission, { maxItems: 100 }),
      next: Type.Union([Uuid, Type.Null()], { description: '`before` of the next page; null at the end' })
    }),
    ...problems(400, 401, 403, 503)
  }
}

const readContract = {
  summary: 'Read a submission',
  tags,
  params: Type.Object({ id: Uuid }),
  response: { 200: Submission, ...problems(400, 401, 403, 404, 503) }
}

async function submissionList(app: FastifyInstance) {
  app.get('/api/submissions', { schema: listContract }, async (request, reply) => {
    const { limit, ...filter } = request.query as Static<typeof Query>
    const { rows, next } = await app.submissions.list({ ...filter, ...ownerSeenBy(request.principal) }, limit)
    if (next) reply.header('link', linkToNext('/api/submissions', request.url, next))
    return reply.send({ items: rows, next: next ?? null })
  })

  app.get('/api/submissions/:id', { schema: readContract }, async (request, reply) => {
    const { id } = request.params as { id: string }
    const submission = await app.submissions.find(id, ownerSeenBy(request.principal).ownerId)
    if (!submission) throw problem(404, 'SUBMISSION_NOT_FOUND', `no submission ${id}`)
    return reply.send(submission)
  })
}

export default fp(submissionList, {
  name: 'submission-list',
  fastify: '5.x',
  encapsulate: true,
  decorators: { fastify: ['submissions'], request: ['principal'] }
})

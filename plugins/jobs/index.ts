/** Jobs over HTTP. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import Type from 'typebox'
import { Job, Uuid } from '#schema/job'
import { problem } from '#schema/problem'

const JobKey = Type.Object({ id: Uuid })

const jobs: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/api/jobs/:id',
    {
      schema: {
        summary: 'Read a job',
        tags: ['jobs'],
        params: JobKey,
        response: { 200: Job, 404: { $ref: 'Problem#' } }
      }
    },
    async (request, reply) => {
      const job = await app.ledger.find(request.params.id)
      if (!job) throw problem(404, 'JOB_NOT_FOUND', `no job ${request.params.id}`)
      return reply.send(job as never) // times are still Date here; the response schema writes them out
    }
  )
}

export default fp(jobs, { name: 'jobs', fastify: '5.x', encapsulate: true, decorators: { fastify: ['ledger'] } })

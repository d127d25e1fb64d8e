/** Where accounts begin, and forgotten passwords end. Both are open to anyone. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { NewUser } from '#schema/user'
import { registerContract, resetPasswordContract } from './contract.js'

export interface UsersOptions {
  /** Whether anyone may make an account. Default false. */
  registration?: boolean
}

async function users(app: FastifyInstance, { registration = false }: UsersOptions) {
  app.removeContentTypeParser('application/x-www-form-urlencoded') // programs send JSON
  const preValidation = app.submissionLimit

  if (registration) {
    app.post('/api/users', { schema: registerContract, preValidation }, async (request, reply) =>
      reply.code(201).send(await app.accounts.register(request.body as NewUser))
    )
  }
  app.post('/api/users/password', { schema: resetPasswordContract, preValidation }, async (request, reply) => {
    await app.accounts.resetPassword(request.body as { token: string; password: string })
    return reply.code(204).send()
  })
}

export default fp(users, {
  name: 'users',
  fastify: '5.x',
  encapsulate: true,
  decorators: { fastify: ['accounts', 'submissionLimit'] }
})

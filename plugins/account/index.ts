/** One's own account: who one is, password, log-ins and keys. It belongs in the private part. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import {
  changePasswordContract,
  createKeyContract,
  endSessionContract,
  keysContract,
  meContract,
  revokeKeyContract,
  sessionsContract
} from './contract.js'
import { createKey, listKeys, revokeKey } from './keys.js'
import { changePassword, readMe } from './me.js'
import { endSession, listSessions } from './sessions.js'

async function account(app: FastifyInstance) {
  app.removeContentTypeParser('application/x-www-form-urlencoded') // programs send JSON
  app.get('/api/users/me', { schema: meContract }, readMe)

  const config = { scope: 'account' as const }
  app.put('/api/users/me/password', { schema: changePasswordContract, config }, changePassword)
  app.get('/api/users/me/sessions', { schema: sessionsContract, config }, listSessions)
  app.delete('/api/users/me/sessions/:id', { schema: endSessionContract, config }, endSession)
  app.get('/api/users/me/keys', { schema: keysContract, config }, listKeys)
  app.post('/api/users/me/keys', { schema: createKeyContract, preValidation: app.submissionLimit, config }, createKey)
  app.delete('/api/users/me/keys/:id', { schema: revokeKeyContract, config }, revokeKey)
}

export default fp(account, {
  name: 'account',
  fastify: '5.x',
  encapsulate: true,
  decorators: { fastify: ['accounts', 'addressOf', 'submissionLimit'], request: ['principal'] }
})

/** Pages for people: log in and out, choose a password, look after one's account. They work without scripts. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { changePassword, createKey, endSession, revokeKey, showAccount } from './account.js'
import {
  accountContract,
  changePasswordContract,
  choosePasswordContract,
  createKeyContract,
  logInContract,
  logInPageContract,
  logOutContract,
  passwordPageContract,
  rowContract
} from './contract.js'
import { logIn, logOut, showLogIn } from './log-in.js'
import { choosePassword, showPasswordPage } from './password.js'

async function logInPages(app: FastifyInstance) {
  app.get('/login', { schema: logInPageContract }, (request, reply) => showLogIn(reply, Object(request.query)))
  app.post(
    '/login',
    {
      schema: logInContract,
      preValidation: app.logInLimit,
      config: {
        showProblem: ({ detail }, { body }, reply) => {
          const { username, next } = Object(body)
          return showLogIn(reply, { username, next, problem: detail })
        }
      }
    },
    logIn
  )
  app.post('/logout', { schema: logOutContract }, logOut)

  app.get('/password', { schema: passwordPageContract }, (_request, reply) => showPasswordPage(reply))
  app.post(
    '/password',
    {
      schema: choosePasswordContract,
      preValidation: app.submissionLimit,
      config: {
        showProblem: ({ detail }, { body }, reply) => {
          const { token } = Object(body)
          return showPasswordPage(reply, { token, problem: detail })
        }
      }
    },
    choosePassword
  )

  const config = { scope: 'account' as const }
  app.get('/account', { schema: accountContract, config }, showAccount)
  app.post('/account/password', { schema: changePasswordContract, config }, changePassword)
  app.post('/account/keys', { schema: createKeyContract, preValidation: app.submissionLimit, config }, createKey)
  app.post('/account/keys/:id/revoke', { schema: rowContract('Revoke a key'), config }, revokeKey)
  app.post('/account/sessions/:id/end', { schema: rowContract('End a log-in'), config }, endSession)
}

export default fp(logInPages, {
  name: 'log-in',
  fastify: '5.x',
  encapsulate: true,
  decorators: {
    fastify: ['accounts', 'addressOf', 'logInLimit', 'submissionLimit'],
    request: ['principal'],
    reply: ['page']
  }
})

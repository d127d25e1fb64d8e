/** Every error becomes a problem (RFC 9457), named in one place; for a browser, a page. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { compile } from '#schema/compile'
import { type Fault, Problem, problem } from '#schema/problem'
import { noteMethods } from './methods.js'
import { addNegotiation } from './negotiation.js'
import { toProblem } from './to-problem.js'
import { answerExpectation } from './without-request.js'

export { answerClientError, answerFrameworkError } from './without-request.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Shows a browser a problem on the route's own page; answers false when the common page shall tell it. */
    showProblem?: (problem: Problem, request: FastifyRequest, reply: FastifyReply) => FastifyReply | false
  }
}

async function problems(app: FastifyInstance) {
  await addNegotiation(app)
  app.addSchema({ ...Problem, $id: 'Problem' })
  // bodies of forms are decoded before the check; JSON is never coerced
  app.setValidatorCompiler<Parameters<typeof compile>[0]>(({ schema, httpPart }) => {
    const check = compile(schema, { from: httpPart === 'body' ? 'json' : httpPart === 'headers' ? 'headers' : 'text' })
    return (given) => {
      const { value, errors } = check(given)
      return errors ? { error: asError(errors) } : { value }
    }
  })
  app.server.on('checkExpectation', answerExpectation)
  app.setErrorHandler(answer)
  const methodsAt = noteMethods(app)
  const nothingAt = (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?')[0] ?? ''
    const methods = methodsAt(path)
    // a route may find by itself that nothing is there
    if (!methods.length || methods.includes(request.method)) {
      return problem(404, 'NOT_FOUND', `nothing is at ${path}`)
    }
    const allowed = methods.join(', ')
    reply.header('allow', allowed)
    return problem(405, 'METHOD_NOT_ALLOWED', `${path} has no ${request.method}; it has ${allowed}`)
  }
  app.setNotFoundHandler((request, reply) => answer(nothingAt(request, reply), request, reply))
  // before a body is read: where nothing takes it, nothing can be wrong with it
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (namesNoHost(request)) done(problem(400, 'HOST_MISSING', 'name in the header Host whom you ask'))
    else done(request.is404 ? nothingAt(request, reply) : null)
  })
}

/** RFC 9112 §3.2. */
const namesNoHost = ({ raw, headers }: FastifyRequest) => headers.host === undefined && raw.httpVersion === '1.1'

/** Some parts of the gateway take JSON alone. */
const MEDIA_TYPES = ['application/json', 'application/x-www-form-urlencoded']

const typesAt = (server: FastifyInstance) =>
  MEDIA_TYPES.filter((type) => server.hasContentTypeParser(type)).join(' or ')

const asError = (errors: Fault[]) => Object.assign(new Error('invalid'), { validation: errors })

function answer(error: Partial<FastifyError>, request: FastifyRequest, reply: FastifyReply) {
  const { server } = request
  const problem = { ...toProblem(error, server), instance: request.id }
  if (problem.code === 'UNSUPPORTED_MEDIA_TYPE') {
    problem.detail = `send ${typesAt(server)}, and name it in Content-Type`
  }
  if (error.validationContext === 'body' && request.body === undefined) {
    problem.detail = `the body is missing: send ${typesAt(server)}; see errors`
  }
  if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, 'a request failed')
  const { retryAfter = problem.status === 503 ? 2 : undefined } = error as { retryAfter?: number }
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  reply.code(problem.status)
  if (request.wantsPage() && 'page' in reply) {
    const { showProblem } = request.routeOptions.config
    // a page that is only read may look again by itself; what was sent must not be sent by itself
    const again = request.method === 'GET' && problem.status === 503
    if (again) reply.header('refresh', '5')
    return showProblem?.(problem, request, reply) || reply.page('problem', { title: problem.title, problem, again })
  }
  return reply.type('application/problem+json; charset=utf-8').serializer(JSON.stringify).send(problem)
}

export default fp(problems, { name: 'problems', fastify: '5.x' })

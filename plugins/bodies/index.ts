/** Request bodies: JSON and form fields, in UTF-8. What could only be kept altered is refused: nothing is stored otherwise than it was sent, but for the line ends of a form. */
import { isUtf8 } from 'node:buffer'
import { parse } from 'node:querystring'
import formbody from '@fastify/formbody'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '#schema/problem'
import { refuseNames } from './refused-names.js'

async function bodies(app: FastifyInstance) {
  app.removeAllContentTypeParsers()
  const parseJson = app.getDefaultJsonParser('error', 'error')
  const parseAny = app.getDefaultJsonParser('ignore', 'ignore')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!body.length) return done(null) // many clients name the type whether they send a body or not
    if (!isUtf8(body)) return done(badEncoding('the body is not UTF-8'))
    const text = body.toString()
    return parseJson(request, text, (error, value) => {
      if (!error) return done(null, value)
      // it says the same of broken JSON and of names that it refuses
      return parseAny(request, text, (broken, any) => done(broken ?? refuseNames(any)))
    })
  })
  app.register(formbody, { parser: parseFields })

  app.addHook('preParsing', ({ headers }, _reply, payload, done) => {
    const { 'content-encoding': encoding = 'identity' } = headers
    if (encoding === 'identity') return done(null, payload)
    return done(problem(415, 'UNSUPPORTED_ENCODING', 'send the body as it is, without Content-Encoding'))
  })
}

/** Fields by name; a name that comes more than once has a list. */
function parseFields(body: string): Record<string, string | string[] | undefined> {
  // it stands for bytes that were no UTF-8: browsers write every such character as %EF%BF%BD
  if (body.includes('\ufffd')) throw badEncoding('the body is not UTF-8')
  try {
    decodeURIComponent(body)
  } catch (cause) {
    throw badEncoding('the percent-encoding of the body is broken: write % as %25, and text in UTF-8', cause)
  }
  return parse(body, '&', '=', { maxKeys: 0 })
}

const badEncoding = (detail: string, cause?: unknown) => problem(400, 'BAD_ENCODING', detail, { cause })

export default fp(bodies, { name: 'bodies', fastify: '5.x' })

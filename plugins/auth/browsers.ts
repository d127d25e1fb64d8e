/** Browsers: the cookie of a log-in, and the token that shows that a form was ours. */
import { createHmac } from 'node:crypto'
import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { problem } from '#schema/problem'
import { isSame, keyFor } from './secrets.js'

export interface BrowserOptions {
  app: FastifyInstance
  secret: string
  /** How long the cookie is kept, in hours. */
  hours: number
}

/** Field of a form that carries the token; scripts send it as the header `x-csrf-token`. */
export const CSRF_FIELD = 'csrf_token'

/** Of https alone, of this very host alone, and of all its paths (RFC 6265bis §4.1.3.2). */
const SECURE_NAME = '__Host-beeline'
/** Over plain http, which browsers do not let set the other. */
const LOOPBACK_NAME = 'beeline-session'

export interface Browsers {
  read: (request: FastifyRequest) => string | undefined
  /** Before a password is looked at. @throws problem 403 `HTTPS_NEEDED`: over plain http all on the way could read it, except on this machine */
  refusePlain: (request: FastifyRequest) => void
  set: (request: FastifyRequest, reply: FastifyReply, value: string) => void
  clear: (request: FastifyRequest, reply: FastifyReply) => void
  /** What the forms of a log-in carry: another site can neither read nor guess it. */
  tokenOf: (sessionId: string) => string
  /** Whether a form or script of ours sent this. */
  isOurs: (request: FastifyRequest, sessionId: string) => boolean
}

export async function createBrowsers({ app, secret, hours }: BrowserOptions): Promise<Browsers> {
  const key = keyFor('forms', secret)
  await app.register(cookie, { hook: false }) // few requests carry one: it is read where it is asked for

  const attributes = (request: FastifyRequest, maxAge: number) =>
    ({ path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure(request), maxAge }) as const
  const write = (request: FastifyRequest, reply: FastifyReply, value: string, maxAge: number) => {
    reply.header('set-cookie', app.serializeCookie(nameFor(request), value, attributes(request, maxAge)))
  }
  const tokenOf = (sessionId: string) => createHmac('sha256', key).update(sessionId).digest('base64url')

  return {
    read: (request) => {
      const { cookie: header } = request.headers
      return header === undefined ? undefined : app.parseCookie(header)[nameFor(request)] || undefined
    },

    refusePlain(request) {
      if (!isSecure(request) && !isLoopback(request.hostname)) {
        throw problem(403, 'HTTPS_NEEDED', 'log in over https: anyone on the way could read this')
      }
    },

    set: (request, reply, value) => write(request, reply, value, hours * 3_600),
    clear: (request, reply) => write(request, reply, '', 0),

    tokenOf,

    isOurs({ headers, body, mediaType }, sessionId) {
      const { [CSRF_FIELD]: field } = mediaType === 'application/x-www-form-urlencoded' ? Object(body) : {}
      const given = headers['x-csrf-token'] ?? field
      return typeof given === 'string' && isSame(Buffer.from(given), Buffer.from(tokenOf(sessionId)))
    }
  }
}

const isSecure = ({ protocol }: FastifyRequest) => protocol === 'https'
const nameFor = (request: FastifyRequest) => (isSecure(request) ? SECURE_NAME : LOOPBACK_NAME)

/** What browsers take for this machine (W3C Secure Contexts §3.1). */
const isLoopback = (hostname: string) => /^(localhost|[\w.-]+\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(hostname)

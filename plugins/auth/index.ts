/** The private part: who may use it says so with a key. */
import { timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '#schema/problem'

export interface AuthOptions {
  /** The key of the environment; without it nobody is let in. */
  apiKey?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook of a private context: refuses who does not show the key. */
    requireKey: onRequestAsyncHookHandler
  }
}

async function auth(app: FastifyInstance, { apiKey }: AuthOptions) {
  const expected = apiKey ? Buffer.from(apiKey) : undefined
  app.decorate('requireKey', async (request, reply) => {
    const given = readKey(request)
    if (expected && given !== undefined && isSame(Buffer.from(given), expected)) return
    reply.header('www-authenticate', 'Bearer realm="api"')
    throw problem(401, 'AUTHENTICATION_REQUIRED', 'send your key as X-API-Key, or as Authorization: Bearer')
  })
}

function readKey({ headers }: FastifyRequest): string | undefined {
  const { 'x-api-key': key, authorization = '' } = headers
  if (typeof key === 'string') return key
  return /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1]
}

/** Takes the same time wherever they differ; only the length can be told from it. */
const isSame = (given: Buffer, expected: Buffer) => given.length === expected.length && timingSafeEqual(given, expected)

export default fp(auth, { name: 'auth', fastify: '5.x' })

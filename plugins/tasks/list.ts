/** The list: its first page from the cache as stored bytes, every other from Postgres. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { linkToNext } from '#schema/next-page'
import { DEFAULT_LIMIT, type ListQuery } from './contract.js'
import { isKnown } from './etag.js'
import { listTasks, type Owner } from './queries.js'

/** Under which name an owner's first page is kept. */
export const listKey = (owner: Owner) => (owner === null ? 'tasks:list' : `tasks:list:${owner}`)

export const JSON_TYPE = 'application/json; charset=utf-8'
/** How kept bytes begin: with where the answer was read and where the next page begins. */
const CACHED = '{"source":"redis-cache"'
const FRESH = Buffer.from('{"source":"postgres"')
const NEXT = /^\{"source":"[a-z-]+","next":(\d+),/

type Page = Awaited<ReturnType<typeof listTasks>>

const write = ({ next, items }: Page) => `${CACHED},"next":${next},"items":[${items.map(({ json }) => json).join()}]}`

/** Answers a page. @param owner whose tasks */
export function answerList(app: FastifyInstance, ttlMs: number, ownerOf: (request: FastifyRequest) => Owner) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const owner = ownerOf(request)
    const { limit, ...filter } = request.query as ListQuery
    reply.type(JSON_TYPE).header('cache-control', 'private, no-cache')
    if (limit !== DEFAULT_LIMIT || Object.keys(filter).length) {
      const text = write(await listTasks(app.pg, owner, filter, limit))
      return send(request, reply, asFresh(Buffer.from(text)))
    }
    const load = async () => write(await listTasks(app.pg, owner, {}, DEFAULT_LIMIT))
    const { bytes, etag, hit } = await app.cache.remember(listKey(owner), ttlMs, load)
    reply.header('x-cache', hit ? 'HIT' : 'MISS').header('etag', etag)
    if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
    return send(request, reply, hit ? bytes : asFresh(bytes))
  }
}

const asFresh = (bytes: Buffer) => Buffer.concat([FRESH, bytes.subarray(CACHED.length)])

function send({ url }: FastifyRequest, reply: FastifyReply, bytes: Buffer): FastifyReply {
  const [, next] = NEXT.exec(bytes.toString('latin1', 0, 64)) ?? []
  if (next) reply.header('link', linkToNext('/api/tasks', url, next))
  return reply.send(bytes)
}

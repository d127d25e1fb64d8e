/** Server-sent events of one job (HTML standard, 9.2): its state whenever it changes, until it ends, or its follower's credentials do. */
import { finished, Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findAsked, isOpen } from './find.js'

/** A sign of life for proxies, in ms. */
const HEARTBEAT_MS = 15_000

export async function followJob(request: FastifyRequest, reply: FastifyReply) {
  const { id, status: first, version } = await findAsked(request)
  const seen = request.headers['last-event-id']
  // a browser connects again for ever unless it is told that there is nothing more
  if (!isOpen(first) && seen === String(version)) return reply.code(204).send()
  const watch = request.server.jobEvents.watch(id, 0)
  finished(reply.raw, watch.close) // told of a client that has left by now, too: its close came before

  async function* events() {
    yield 'retry: 1000\n\n'
    for (let open = true; open; ) {
      const progress = await watch.next(HEARTBEAT_MS)
      if (!progress && watch.isClosed()) return
      if (!(await request.stillHolds())) return
      if (!progress) {
        yield ': still here\n\n'
        continue
      }
      const { version, status, attempts } = progress
      open = isOpen(status)
      if (String(version) === seen && open) continue
      const told = { id, status, progress: progress.progress, attempts }
      yield `id: ${version}\nevent: state\ndata: ${JSON.stringify(told)}\n\n`
    }
    watch.close()
  }
  return reply
    .type('text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(events(), { objectMode: false }))
}

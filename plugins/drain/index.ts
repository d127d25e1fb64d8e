/** A stop that no client notices: no new connection is taken, and each that is in use is told to close (design rule 13). */
import { Server } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Takes the connections that wait and no new one after them; those that are open go on as before. To be called before `close`. Of
     * several processes the first one takes connections for all: those that it has not handed on when the last one stops break, at the
     * latest when it ends itself.
     */
    stopListening: () => Promise<void>
  }
}

/** Time that open connections get to be used once more: a proxy leaves idle ones sooner. */
const PAUSE_MS = 500
/** Time for taking the connections that wait: they are few, unless it is a flood. */
const TAKE_MS = 100

/**
 * A proxy goes to the next gateway when it is refused. A connection that waits to be taken when listening ends would break, so that
 * comes first: as soon as those in use are told to close, new ones come thick and fast.
 */
async function drain(app: FastifyInstance) {
  let served = false
  let closing = false
  app.server.once('listening', () => {
    served = true
  })
  const closeListener = () => {
    // not an HTTP server's own close, which ends idle connections, too
    if (app.server.listening) Server.prototype.close.call(app.server)
  }
  app.decorate('stopListening', async () => {
    let taken = true
    const noteTaken = () => {
      taken = true
    }
    app.server.on('connection', noteTaken)
    // each turn takes one of those that wait (libuv)
    const until = performance.now() + TAKE_MS
    while (taken && performance.now() < until) {
      taken = false
      await nextTurn()
      await nextTurn()
    }
    app.server.off('connection', noteTaken)
    closeListener()
  })
  // Fastify says so to requests that begin from now on, not to those under way
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })
  // idle connections are closed when this is over
  app.addHook('preClose', async () => {
    closing = true
    closeListener()
    if (!served) return
    await sleep(PAUSE_MS)
    // a timer comes before what has arrived: after a busy while there may be requests on connections that seem idle
    await nextTurn()
  })
}

export default fp(drain, { name: 'drain', fastify: '5.x' })

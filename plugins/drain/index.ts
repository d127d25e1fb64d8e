/** A stop that no client notices: no new connection is taken, and each that is in use is told to close (design rule 13). */
import { Server } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Takes the connections that wait and no new one after them; those that are open go on as before. To be called before `close`. */
    stopListening: () => Promise<void>
  }
}

/** Time that open connections get to be used once more: a proxy leaves idle ones sooner. */
const PAUSE_MS = 500

/**
 * A proxy goes to the next gateway when it is refused. A connection that waits to be taken when listening ends would break, so that
 * comes first: as soon as those in use are told to close, new ones come thick and fast.
 */
async function drain(app: FastifyInstance) {
  let served = false
  app.server.once('listening', () => {
    served = true
  })
  const closeListener = () => {
    // not an HTTP server's own close, which ends idle connections, too
    if (app.server.listening) Server.prototype.close.call(app.server)
  }
  app.decorate('stopListening', async () => {
    // each turn takes the connections that wait: what is left came within the last one
    await nextTurn()
    await nextTurn()
    closeListener()
  })
  // from here on Fastify answers with `connection: close`; idle connections are closed when this is over
  app.addHook('preClose', async () => {
    closeListener()
    if (!served) return
    await sleep(PAUSE_MS)
    // a timer comes before what has arrived: after a busy while there may be requests on connections that seem idle
    await nextTurn()
    await nextTurn()
  })
}

export default fp(drain, { name: 'drain', fastify: '5.x' })

/** A stop that no client notices: before the last connections close, each that is in use is told to (design rule 13). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

export interface DrainOptions {
  /** Time between the signal to stop and the end of listening, in ms. Default 500. */
  pauseMs?: number
}

async function drain(app: FastifyInstance, { pauseMs = 500 }: DrainOptions) {
  // from here on Fastify answers with `connection: close`; idle connections are closed when this is over
  app.addHook('preClose', async () => {
    if (app.server.listening) await sleep(pauseMs)
  })
}

export default fp(drain, { name: 'drain', fastify: '5.x' })

/** The only room that knows Bee-Queue: deliveries go in here and come out in the consumer. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createBeeClient } from './bee-client.js'
import { createCarrier } from './carrier.js'
import { createLossDetector } from './loss-detector.js'

export interface QueueOptions {
  /** Address of Redis. */
  url: string
  /** Prefix of all keys in Redis. Default 'bq'. */
  prefix?: string
  /** Stop the start when Redis is away, instead of waiting for it. Default false. */
  strict?: boolean
}

/** Takes a delivery; what it rejects with is logged, for the ledger knows what became of the jobs. */
export type DeliveryHandler = (delivery: Arrived) => Promise<void>

export interface ConsumedQueue {
  name: string
  /** Deliveries worked on at a time. */
  concurrency: number
}

export interface Workload extends ConsumedQueue {
  /** Deliveries worked on now. */
  running: number
  /** Deliveries taken so far. */
  taken: number
}

export interface Outgoing {
  /** A UUID, used once. */
  id: string
  ids: string[]
}

export interface Arrived extends Outgoing {
  queue: string
  /** Whether a consumer had taken it before, and is gone. */
  returned: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    queue: {
      /** Whether Redis answers. */
      isReady: () => boolean
      /** Hands deliveries to Redis. Rejects when Redis is away or refuses; some may have arrived all the same. */
      push: (queue: string, deliveries: Outgoing[]) => Promise<void>
      /** Deliveries that wait in Redis. */
      countWaiting: (queue: string) => Promise<number>
      /** Which of the deliveries Redis still holds, waiting or being worked on. */
      findLiving: (queue: string, ids: string[]) => Promise<Set<string>>
      /** Starts taking deliveries; each queue starts when Redis is there. Once a process. */
      consume: (queues: ConsumedQueue[], handle: DeliveryHandler) => void
      /** What the consumed queues do. */
      workload: () => Workload[]
      /** Stops taking deliveries and waits up to the time, in ms, for those under way. */
      stop: (graceMs: number) => Promise<void>
      /** Calls back each time Redis has lost its data or was exchanged (design rule 7). */
      onLoss: (listener: () => void) => void
    }
  }
}

async function queue(app: FastifyInstance, { url, prefix = 'bq', strict = false }: QueueOptions) {
  const client = createBeeClient(url)
  let said = ''
  client.on('error', (error) => {
    if (said !== error.message) app.log.warn({ err: error }, 'Redis is away, trying again')
    said = error.message
  })
  client.on('ready', () => {
    said = ''
    app.log.info('Redis is there')
  })
  const carrier = createCarrier({ client, prefix, log: app.log })
  const lossDetector = createLossDetector({ client, key: `${prefix}:sentinel`, log: app.log })

  app.decorate('queue', {
    isReady: () => client.status === 'ready',
    push: carrier.push,
    countWaiting: carrier.countWaiting,
    findLiving: carrier.findLiving,
    consume: carrier.consume,
    workload: carrier.workload,
    stop: carrier.stop,
    onLoss: lossDetector.onLoss
  })

  if (strict) app.addHook('onReady', () => ready(client))
  app.addHook('onClose', async () => {
    lossDetector.stop()
    await carrier.stop(1_000)
    client.disconnect()
  })
}

function ready(client: ReturnType<typeof createBeeClient>): Promise<void> {
  if (client.status === 'ready') return Promise.resolve()
  return new Promise((resolve, reject) => {
    client.once('ready', resolve)
    client.once('error', (cause) =>
      reject(new Error(`Redis is away (${cause.message}): start it or correct REDIS_URL`, { cause }))
    )
  })
}

export default fp(queue, { name: 'queue', fastify: '5.x' })

/** Bee-Queue with everything switched off that the ledger does better: retries, delays, time-outs, events, stored results. */
import { createRequire } from 'node:module'
import BeeQueue from 'bee-queue'
import type { FastifyBaseLogger } from 'fastify'
import type { Redis } from 'ioredis'
import { compile } from '#schema/compile'
import { Arrival, type Delivery } from '#schema/delivery'
import { sweepGhosts } from './ghosts.js'
import type { DeliveryHandler, Outgoing, Workload } from './index.js'
import { markStalled } from './stalled.js'

// Bee-Queue loads its scripts only when it connects; after a restart of Redis every call would fail with NOSCRIPT
const scripts = createRequire(import.meta.url)('bee-queue/lib/lua') as { buildCache: (client: Redis) => Promise<void> }

/** One interval for all instances: a worker's heartbeat is half of its own, the check uses the checker's. */
const STALL_INTERVAL_MS = 5_000

export interface CarrierOptions {
  client: Redis
  prefix: string
  log: FastifyBaseLogger
}

export function createCarrier({ client, prefix, log }: CarrierOptions) {
  const producers = new Map<string, BeeQueue<Delivery>>()
  const workers = new Map<string, BeeQueue<Delivery>>()
  const checkArrival = compile(Arrival)
  let workload: Workload[] = []
  let stopping = false
  let scriptsLoaded: Promise<void> | undefined
  let sweeper: NodeJS.Timeout | undefined

  client.on('ready', () => void loadScripts().catch(() => undefined)) // said there

  function loadScripts(): Promise<void> {
    scriptsLoaded = scripts.buildCache(client)
    scriptsLoaded.catch((error) => {
      log.warn({ err: error }, "Bee-Queue's scripts were not loaded")
      scriptsLoaded = undefined
    })
    return scriptsLoaded
  }

  /** Redis may forget scripts while the connection lives: they are loaded again before the next call. */
  function noteError(error: Error): Error {
    if (error.message.startsWith('NOSCRIPT')) scriptsLoaded = undefined
    return error
  }

  function open(name: string, isWorker: boolean): BeeQueue<Delivery> {
    const settings = {
      prefix,
      redis: client as never, // its types know node_redis only; the adapter makes up for it
      isWorker,
      getEvents: false,
      sendEvents: false,
      storeJobs: false,
      activateDelayedJobs: false,
      removeOnSuccess: true,
      removeOnFailure: true,
      stallInterval: STALL_INTERVAL_MS,
      initialRedisFailureRetryDelay: 200
    }
    const queue = new BeeQueue<Delivery>(name, settings)
    queue.on('error', (error) => log.warn({ err: error, queue: name }, 'Bee-Queue met an error'))
    return queue
  }

  async function push(name: string, deliveries: Outgoing[]): Promise<void> {
    if (client.status !== 'ready') throw new Error('Redis is away')
    await (scriptsLoaded ?? loadScripts())
    const queue = producers.get(name) ?? (await openProducer(name))
    const failed = await queue.saveAll(deliveries.map(({ id, ids }) => queue.createJob({ v: 1, ids }).setId(id)))
    for (const [, error] of failed) throw noteError(error)
  }

  /** One that failed to open is not kept: Bee-Queue would fail with that first error for ever. */
  async function openProducer(name: string): Promise<BeeQueue<Delivery>> {
    const queue = open(name, false)
    try {
      await queue.ready()
    } catch (error) {
      queue.close(100).catch(() => undefined)
      throw error
    }
    producers.set(name, queue)
    return queue
  }

  /** Starts one queue's worker, and again after a start that failed. */
  async function work(queue: Workload, handle: DeliveryHandler): Promise<void> {
    while (!stopping && !(await startWorker(queue, handle))) await new Promise((resolve) => setTimeout(resolve, 500))
  }

  async function startWorker(load: Workload, handle: DeliveryHandler): Promise<boolean> {
    const { name, concurrency } = load
    if (client.status !== 'ready') return false
    const queue = open(name, true)
    try {
      await queue.ready()
      await takeBack(name, queue)
    } catch (error) {
      log.warn({ err: error, queue: name }, 'a queue did not start, trying again')
      await queue.close(100).catch(() => undefined)
      return false
    }
    if (stopping) {
      await queue.close(100)
      return true
    }
    workers.set(name, queue)
    queue.process(concurrency, async ({ id, data }) => {
      load.taken += 1
      load.running += 1
      const { value, errors } = checkArrival({ ...data, id })
      if (errors) log.error({ deliveryId: id, queue: name, errors }, 'a delivery that is none was dropped')
      else await handOver(name, value, handle)
      load.running -= 1
    })
    log.info({ queue: name, concurrency }, 'taking deliveries')
    return true
  }

  const handOver = (name: string, { id, ids, returned }: Arrival, handle: DeliveryHandler): Promise<void> =>
    handle({ id, ids, queue: name, returned: returned === true }).catch((error) =>
      log.error({ err: error, deliveryId: id, queue: name }, 'a delivery was given up')
    )

  /** Takes back what a consumer that is gone had popped. Bee-Queue's own timer would leave a failed look unhandled. */
  async function takeBack(name: string, queue: BeeQueue<Delivery>): Promise<void> {
    await (scriptsLoaded ?? loadScripts())
    // sent in one turn: what stalls in between would come back unmarked
    await Promise.all([markStalled(client, `${prefix}:${name}`), queue.checkStalledJobs()])
  }

  return {
    push,
    workload: () => workload,
    countWaiting: (name: string) => client.llen(`${prefix}:${name}:waiting`),

    async findLiving(name: string, ids: string[]): Promise<Set<string>> {
      if (!ids.length) return new Set()
      const found = await client.hmget(`${prefix}:${name}:jobs`, ...ids)
      return new Set(ids.filter((_, i) => found[i] !== null))
    },

    consume(queues: { name: string; concurrency: number }[], handle: DeliveryHandler): void {
      workload = queues.map((queue) => ({ ...queue, running: 0, taken: 0 }))
      for (const queue of workload) {
        work(queue, handle).catch((error) => log.error({ err: error, queue: queue.name }, 'a queue did not start'))
      }
      sweeper = setInterval(() => {
        if (client.status !== 'ready') return
        for (const [name, queue] of workers) {
          takeBack(name, queue)
            .then(() => sweepGhosts(client, `${prefix}:${name}`))
            .catch((error) =>
              log.warn({ err: noteError(error), queue: name }, 'stalled deliveries could not be looked for')
            )
        }
      }, STALL_INTERVAL_MS / 2)
    },

    async stop(graceMs: number): Promise<void> {
      stopping = true
      clearInterval(sweeper)
      const open = [...workers.values(), ...producers.values()]
      workers.clear()
      producers.clear()
      await Promise.all(open.map((queue) => queue.close(Math.max(graceMs, 1)).catch(() => undefined)))
    }
  }
}

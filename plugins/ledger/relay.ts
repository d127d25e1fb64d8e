/** Relay (design rule 7): brings to Bee-Queue what is due and has no living delivery. Consumers take turns. */
import type { FastifyInstance } from 'fastify'
import type { PoolClient } from 'pg'
import { SUSPECTS } from '#schema/delivery'
import { groupBy } from '#schema/group-by'
import type { Registry } from '#schema/registry'
import { type Repetition, repeat } from '#schema/repeat'
import { cut } from './cut.js'
import { MOST_WAITING } from './load.js'
import {
  clearDeliveries,
  expireJobs,
  findDeliveries,
  findUndelivered,
  listWaitingQueues,
  moveWaiting,
  returnLapsed,
  stampDeliveries,
  tryRelayLock,
  unlockRelay
} from './queries/relay.js'

const TICK_MS = 500
/** Pause after a tick that found much to bring. */
const BUSY_TICK_MS = 50
/** Pause between two checks of what Redis still holds. */
const CHECK_MS = 2_000
/** Time after an outage of Postgres in which every consumer renews its leases: they do so each second. */
const RENEWALS_MS = 3_000
/** Rows read for one queue in one tick. */
const MOST_ROWS = 5_000
export interface RelayOptions {
  app: FastifyInstance
  registry: Registry
  queues: string[]
}

export function createRelay({ app, registry, queues }: RelayOptions) {
  /** Whose turn it is first changes with each turn: what the suspects of one leave of their room is the others'. */
  let order = queues
  const queueOf = Object.fromEntries([...registry.jobs].map(([type, { queue }]) => [type, queue]))
  let turns: Repetition | undefined
  let lastCheck = 0
  let lossSeen = false
  /** When a tick last failed, by the monotonic clock, in ms. */
  let lastFailure = Number.NEGATIVE_INFINITY

  async function tick(): Promise<boolean> {
    const client = await app.pg.connect()
    try {
      let busy = false
      if (await tryRelayLock(client)) {
        busy = await relayAll(client)
        await unlockRelay(client)
      }
      client.release()
      return busy
    } catch (error) {
      client.release(true) // with the connection goes the lock
      throw error
    }
  }

  async function relayAll(client: PoolClient): Promise<boolean> {
    await expireJobs(client)
    if (performance.now() - lastFailure > RENEWALS_MS) await takeBackLapsed(client)
    if (!app.queue.isReady()) return false
    if (lossSeen || Date.now() - lastCheck > CHECK_MS) {
      lossSeen = false
      lastCheck = Date.now()
      await eachQueue((queue) => checkDeliveries(client, queue))
      await moveRenamed(client)
    }
    return deliverDue(client)
  }

  /** A queue whose keys in Redis are broken holds up no other one. */
  async function eachQueue(work: (queue: string) => Promise<void>) {
    for (const queue of order) {
      await work(queue).catch((error) => passOver(error, queue))
    }
  }

  /** An outage ends the turn; what is broken in one queue alone does not. */
  function passOver(error: unknown, queue: string): undefined {
    if (app.isOutage(error)) throw error
    app.log.warn({ err: error, queue }, 'the relay could not bring what waits in a queue, trying again')
  }

  /** Not right after an outage: those who still run their jobs renew first. */
  async function takeBackLapsed(client: PoolClient) {
    for (const { id, state } of await returnLapsed(client)) {
      app.log.warn({ jobId: id, state }, 'a job came back: its consumer ended without a word')
    }
  }

  /** Suspects whose keys in Redis are broken hold up none of the queue's others, nor the other way round. */
  async function checkDeliveries(client: PoolClient, queue: string) {
    for (const [suspect, deliveries] of groupBy(await findDeliveries(client, queue), ({ suspect }) => suspect)) {
      const carrier = suspect ? SUSPECTS : queue
      await clearLost(client, { queue, carrier, deliveries }).catch((error) => passOver(error, carrier))
    }
  }

  /** Forgets the deliveries that Redis holds no more, so that their rows are due again. */
  async function clearLost(
    client: PoolClient,
    { queue, carrier, deliveries }: { queue: string; carrier: string; deliveries: { id: string; old: boolean }[] }
  ) {
    const ids = deliveries.map(({ id }) => id)
    const [living, waiting] = await Promise.all([app.queue.findLiving(carrier, ids), app.queue.countWaiting(carrier)])
    const lost = deliveries.filter(({ id, old }) => !living.has(id) || (old && waiting === 0)).map(({ id }) => id)
    if (!lost.length) return
    const jobs = await clearDeliveries(client, queue, lost)
    app.log.warn({ queue, deliveries: lost.length, jobs }, 'deliveries are not in Redis: their jobs are sent again')
  }

  /** Jobs of a type that is ours, in a queue that is not: its definition names another now, and nobody serves the old one. */
  async function moveRenamed(client: PoolClient) {
    for (const queue of await listWaitingQueues(client)) {
      if (queues.includes(queue)) continue
      const jobs = await moveWaiting(client, queue, queueOf)
      if (jobs)
        app.log.warn({ queue, jobs }, 'jobs waited in a queue that nobody serves: moved to the queue of their type')
    }
  }

  /** What is due of each queue, then the suspects of all, who share one room in Redis. Answers whether more may wait. */
  async function deliverDue(client: PoolClient): Promise<boolean> {
    let busy = false
    await eachQueue(async (queue) => {
      const room = await findRoom(queue)
      const sent = await deliver(client, queue, { suspect: false, room })
      busy ||= room <= 0 || sent > 0
    })
    let room = (await findRoom(SUSPECTS).catch((error) => passOver(error, SUSPECTS))) ?? 0
    await eachQueue(async (queue) => {
      const sent = await deliver(client, queue, { suspect: true, room })
      room -= sent
      busy ||= sent > 0
    })
    order = [...order.slice(1), ...order.slice(0, 1)]
    return busy
  }

  /** How many more deliveries of a queue may wait in Redis. */
  const findRoom = async (carrier: string) => MOST_WAITING - (await app.queue.countWaiting(carrier))

  /** Stamps new delivery ids in a short commit, then pushes them. Answers how many. */
  async function deliver(
    client: PoolClient,
    queue: string,
    { suspect, room }: { suspect: boolean; room: number }
  ): Promise<number> {
    if (room <= 0) return 0
    const due = await findUndelivered(client, queue, { suspect, limit: suspect ? room : MOST_ROWS })
    const planned = cut(due, registry).slice(0, room)
    if (!planned.length) return 0
    const stamped = await stampDeliveries(client, planned)
    const outgoing = planned
      .map(({ id, ids }) => ({ id, ids: ids.filter((job) => stamped.has(job)) }))
      .filter(({ ids }) => ids.length)
    if (outgoing.length) await app.queue.push(suspect ? SUSPECTS : queue, outgoing)
    return outgoing.length
  }

  /** Answers the pause after a tick, in ms. */
  async function takeTurn() {
    try {
      return (await tick()) ? BUSY_TICK_MS : TICK_MS
    } catch (error) {
      lastFailure = performance.now()
      app.log.warn({ err: error }, 'the relay failed, trying again')
      return TICK_MS
    }
  }

  return {
    start() {
      app.queue.onLoss(() => {
        lossSeen = true
      })
      turns = repeat(0, takeTurn)
    },
    stop: async () => turns?.stop()
  }
}

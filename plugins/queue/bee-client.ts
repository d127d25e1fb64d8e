/**
 * An ioredis client as Bee-Queue expects one. Bee-Queue recognises clients by their constructor's name, and with ioredis' own
 * would silently connect to localhost; it wants `batch`, flat replies of `exec`, and BRPOPLPUSH, deprecated since Redis 6.2.
 */
import { type ChainableCommander, Redis, type RedisOptions } from 'ioredis'

/** A client for Bee-Queue's commands: it fails at once while Redis is away. Its duplicates, which block, wait for Redis. */
export function createBeeClient(url: string): Redis {
  return adapt(
    new Redis(url, {
      ...CONNECTION,
      enableOfflineQueue: false,
      commandTimeout: 5_000,
      // a Redis that stays silent is away: what would pile up for it goes by the relay
      socketTimeout: 5_000
    })
  )
}

const CONNECTION = {
  maxRetriesPerRequest: null,
  keepAlive: 10_000,
  connectTimeout: 5_000,
  retryStrategy: (times: number) => Math.min(50 * times, 1_000)
} satisfies RedisOptions

type Callback = (error: unknown, reply?: unknown) => void

function adapt(client: Redis): Redis {
  const multi = client.multi.bind(client)
  const pipeline = client.pipeline.bind(client)
  const duplicate = client.duplicate.bind(client)
  const override = (name: string, value: unknown) =>
    Object.defineProperty(client, name, { value, configurable: true, writable: true })

  override('constructor', Redis)
  override('multi', () => flatten(multi()))
  override('batch', () => flatten(pipeline()))
  override('duplicate', () =>
    adapt(duplicate({ ...CONNECTION, enableOfflineQueue: true, commandTimeout: undefined, socketTimeout: undefined }))
  )
  override('brpoplpush', (from: string, to: string, wait: number, done: Callback) =>
    client.blmove(from, to, 'RIGHT', 'LEFT', wait, done)
  )
  return client
}

/** Bee-Queue reads the replies of `exec` flat, as node_redis gives them; ioredis gives pairs of error and value. */
function flatten(chain: ChainableCommander): ChainableCommander {
  const exec = chain.exec.bind(chain)
  return Object.defineProperty(chain, 'exec', {
    value: (done: Callback) =>
      exec().then(
        (replies) => done(null, replies?.map(([error, value]) => error ?? value) ?? null),
        (error) => done(error)
      )
  })
}

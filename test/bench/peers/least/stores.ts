/** What both processes of the least hold: Postgres, Redis, Bee-Queue. */
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import pino from 'pino'
import { poolOptions } from '../../../../plugins/database/pool-options.js'
import { createBeeClient } from '../../../../plugins/queue/bee-client.js'
import { createCarrier } from '../../../../plugins/queue/carrier.js'

const { DATABASE_URL = '', REDIS_URL = '' } = process.env
const queueClient = createBeeClient(REDIS_URL)

export const QUEUE = 'submissions'
/** Channel on which the ids of ended jobs are told. */
export const ENDED = 'least:ended'
export const pool = new Pool(poolOptions({ url: DATABASE_URL, connections: 10, queryTimeoutMs: 5_000 }))
export const redis = new Redis(REDIS_URL)
export const carrier = createCarrier({ client: queueClient, prefix: 'least', log: pino({ enabled: false }) })

export async function closeStores(): Promise<void> {
  await carrier.stop(1_000)
  queueClient.disconnect()
  redis.disconnect()
  await pool.end()
}

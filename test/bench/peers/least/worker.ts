/** The least that stores accepted jobs once: one statement ends those of the deliveries that are there and stores what they carry. */
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import pino from 'pino'
import { createGroupCommit } from '../../../../plugins/database/group-commit.js'
import { poolOptions } from '../../../../plugins/database/pool-options.js'
import { arrayOf } from '../../../../plugins/ledger/queries/id-text.js'
import { IS_QUEUED } from '../../../../plugins/ledger/queries/states.js'
import { createBeeClient } from '../../../../plugins/queue/bee-client.js'
import { createCarrier } from '../../../../plugins/queue/carrier.js'

const pool = new Pool(poolOptions({ url: process.env.DATABASE_URL ?? '', connections: 10, queryTimeoutMs: 5_000 }))
const redis = new Redis(process.env.REDIS_URL ?? '')
const queueClient = createBeeClient(process.env.REDIS_URL ?? '')
const carrier = createCarrier({ client: queueClient, prefix: 'least', log: pino({ enabled: false }) })

const store = createGroupCommit(pool, {
  lanes: 2,
  maxItems: 16,
  write: async (client, deliveries: string[][]) => {
    const ids = deliveries.flat()
    await client.query({
      name: 'finish',
      text: `with done as (
               update jobs
                  set state = 'succeeded', result = jsonb_build_object('submission_id', id), attempts = 1, progress = 100,
                      version = version + 1, started_at = now(), finished_at = clock_timestamp()
                where id = any($1::uuid[]) and ${IS_QUEUED}
               returning id, payload
             )
             insert into submissions (id, form, mode, data) select id, 'contact', 'async', payload -> 'data' from done`,
      values: [arrayOf(ids)]
    })
    void redis.publish('least:ended', ids.join())
    return deliveries
  }
})
carrier.consume([{ name: 'submissions', concurrency: 32 }], async ({ ids }) => void (await store(ids)))

process.once('SIGTERM', async () => {
  await carrier.stop(1_000)
  queueClient.disconnect()
  redis.disconnect()
  await pool.end()
})

process.stdout.write('ready\n')

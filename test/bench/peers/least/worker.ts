/** The least that stores accepted jobs once: one statement ends those that are taken from Redis and stores what they carry. */
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { arrayOf } from '../../../../plugins/ledger/queries/id-text.js'
import { IS_QUEUED } from '../../../../plugins/ledger/queries/states.js'

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const redis = new Redis(process.env.REDIS_URL ?? '')
let stopping = false

async function take(): Promise<void> {
  const blocking = redis.duplicate()
  while (!stopping) {
    const taken = await blocking.blmpop(1, 1, 'least:waiting', 'RIGHT', 'COUNT', 16)
    const ids = taken?.[1]?.flatMap((group) => group.split(','))
    if (!ids) continue
    await pool.query({
      name: 'finish',
      text: `with done as (
               update jobs
                  set state = 'succeeded', result = jsonb_build_object('id', id), attempts = 1, progress = 100,
                      version = version + 1, started_at = now(), finished_at = clock_timestamp()
                where id = any($1::uuid[]) and ${IS_QUEUED}
               returning id, payload
             )
             insert into submissions (id, form, mode, data) select id, 'contact', 'async', payload -> 'data' from done`,
      values: [arrayOf(ids)]
    })
    void redis.publish('least:ended', ids.join())
  }
  blocking.disconnect()
}

const lanes = [take(), take()]

process.once('SIGTERM', async () => {
  stopping = true
  await Promise.all(lanes)
  redis.disconnect()
  await pool.end()
})

process.stdout.write('ready\n')

/** The least that stores accepted jobs once: one statement ends those of the deliveries that are there and stores what they carry. */
import { createGroupCommit } from '../../../../plugins/database/group-commit.js'
import { arrayOf } from '../../../../plugins/ledger/queries/id-text.js'
import { IS_QUEUED } from '../../../../plugins/ledger/queries/states.js'
import { carrier, closeStores, ENDED, pool, QUEUE, redis } from './stores.js'

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
    void redis.publish(ENDED, ids.join())
    return deliveries
  }
})
carrier.consume([{ name: QUEUE, concurrency: 32 }], async ({ ids }) => void (await store(ids)))

process.once('SIGTERM', closeStores)

process.stdout.write('ready\n')

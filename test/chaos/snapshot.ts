/** What Redis holds of deliveries at one moment, as a replica has it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'

/** An empty text for a key that is not there. */
const DUMP = `
  local dumps = {}
  for i, key in ipairs(KEYS) do dumps[i] = redis.call('dump', key) or '' end
  return dumps`
const RESTORE = `
  for i, key in ipairs(KEYS) do
    redis.call('del', key)
    if ARGV[i] ~= '' then redis.call('restore', key, 0, ARGV[i]) end
  end`

/** Answers what brings that moment back. @throws Error when there are no deliveries for half a second */
export async function takeSnapshot(client: Redis): Promise<() => Promise<unknown>> {
  const keys = await findLists(client)
  const dumps = (await client.callBuffer('eval', DUMP, keys.length, ...keys)) as Buffer[] // as the script says
  return () => client.call('eval', RESTORE, keys.length, ...keys, ...dumps)
}

/** The keys of the queues that have deliveries in Redis; it looks for a while, since most are gone at once. */
async function findLists(client: Redis): Promise<string[]> {
  for (let looks = 0; looks < 100; looks++) {
    const bodies = (await client.keys('bq:*:jobs')).filter((key) => key.split(':').length === 3)
    if (bodies.length)
      return bodies.flatMap((key) => ['waiting', 'active', 'jobs'].map((list) => key.replace(/jobs$/, list)))
    await sleep(5)
  }
  throw new Error('there are no deliveries')
}

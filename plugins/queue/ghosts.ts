/** Ids that stand in the active list without a body that can be read would be handed out again and again for ever. */
import type { Redis } from 'ioredis'

/** Takes them out of a queue. @throws as ioredis */
export async function sweepGhosts(client: Redis, queueKey: string): Promise<void> {
  const [active, bodies] = [`${queueKey}:active`, `${queueKey}:jobs`]
  const ids = await client.lrange(active, 0, 999)
  if (!ids.length) return
  const found = await client.hmget(bodies, ...ids)
  const ghosts = ids.filter((_, i) => !isReadable(found[i]))
  await Promise.all(ghosts.flatMap((id) => [client.lrem(active, 0, id), client.hdel(bodies, id)]))
}

/** Whether Bee-Queue can make a job of it. */
function isReadable(body: string | null | undefined): boolean {
  try {
    return typeof JSON.parse(body ?? 'null')?.options === 'object'
  } catch {
    return false
  }
}

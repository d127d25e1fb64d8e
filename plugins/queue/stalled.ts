/** Marks the deliveries that Bee-Queue is about to take back: whoever gets them next knows that a consumer ended with them. */
import type { Redis } from 'ioredis'

/**
 * What Bee-Queue's next check moves is, or was, in its set `stalling`: workers take out what they still hold. So a mark may be one
 * too many, never one too few. A body begins with its data, and a delivery's data with its version, but where it is marked already.
 */
const MARK = `
  for _, id in ipairs(redis.call('smembers', KEYS[1])) do
    local body = redis.call('hget', KEYS[2], id)
    if body then redis.call('hset', KEYS[2], id, (string.gsub(body, '^{"data":{"v"', '{"data":{"returned":true,"v"'))) end
  end`

/** To be called right before the check, on the same connection. @throws as ioredis */
export async function markStalled(client: Redis, queueKey: string): Promise<void> {
  await client.eval(MARK, 2, `${queueKey}:stalling`, `${queueKey}:jobs`)
}

/** Notices that Redis lost its data: another `run_id`, or the sentinel key is gone. */
import type { FastifyBaseLogger } from 'fastify'
import type { Redis } from 'ioredis'
import { type Repetition, repeat } from '#schema/repeat'

export interface LossDetectorOptions {
  client: Redis
  /** Key that holds the run id of the Redis that was last seen. It has no TTL, so that no cache policy evicts it. */
  key: string
  log: FastifyBaseLogger
  /** Pause between two looks, in ms. Default 300. */
  intervalMs?: number
}

export function createLossDetector({ client, key, log, intervalMs = 300 }: LossDetectorOptions) {
  const listeners: (() => void)[] = []
  let runId: string | undefined
  let isFirstLook = true

  async function look() {
    if (client.status !== 'ready') return
    runId ??= /run_id:(\w+)/.exec(await client.info('server'))?.[1] ?? ''
    const seen = await client.get(key)
    if (seen !== runId) {
      await client.set(key, runId)
      tell(seen ? 'another server' : 'no sentinel')
    }
    isFirstLook = false
  }

  function tell(found: string) {
    // what was lost before this process looked is looked for all the same, but to start after Redis is no alarm
    if (isFirstLook)
      log.info({ found }, 'Redis was started since it was last seen, or is new: it may have lost something')
    else log.warn({ found }, 'Redis lost its data or was exchanged')
    for (const listener of listeners) listener()
  }

  client.on('close', () => {
    runId = undefined
  })
  let looks: Repetition | undefined
  async function lookAgain() {
    await look().catch((error) => log.debug({ err: error }, 'Redis did not answer'))
    return intervalMs
  }

  return {
    /** Starts looking with the first listener. */
    onLoss: (listener: () => void) => {
      listeners.push(listener)
      looks ??= repeat(intervalMs, lookAgain)
    },
    stop: () => void looks?.stop()
  }
}

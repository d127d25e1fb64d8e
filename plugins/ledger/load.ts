/** How much is open, counted about once a second: refuses what is too much before its commit (design rule 10). */
import type { FastifyInstance } from 'fastify'
import { problem } from '#schema/problem'
import { type Repetition, repeat } from '#schema/repeat'
import { countOpenJobs } from './queries/read.js'

/** Deliveries of one queue, or suspects, that wait in Redis at the most; more wait in Postgres. */
export const MOST_WAITING = 1_000

/** Pause between two looks, in ms. */
const LOOK_MS = 1_000
const MOST_LOOK_MS = 5_000

export interface LoadOptions {
  app: FastifyInstance
  queues: string[]
  openPerOwner: number
  openInAll: number
}

export type Load = ReturnType<typeof createLoad>

export function createLoad({ app, queues, openPerOwner, openInAll }: LoadOptions) {
  let open = { inAll: 0, bySubmitter: new Map<string, number>() }
  /** Queues whose rows wait in Postgres for the relay. */
  let behind = new Set<string>()
  let waiting = new Map<string, number>()
  let looks: Repetition[] = []

  /** Counts what is open; answers how long Postgres took, in ms. */
  async function look(): Promise<number> {
    const began = performance.now()
    const rows = await countOpenJobs(app.pg)
    const took = performance.now() - began
    const bySubmitter = new Map<string, number>()
    let inAll = 0
    for (const { submitter, jobs } of rows) {
      inAll += jobs
      bySubmitter.set(submitter, (bySubmitter.get(submitter) ?? 0) + jobs)
    }
    open = { inAll, bySubmitter }
    behind = new Set(rows.filter(({ undelivered }) => undelivered > 0).map(({ queue }) => queue))
    return took
  }

  /** Counts what waits in Redis, apart from what is open, whose count must not wait for Redis; answers the pause after it, in ms. */
  async function countWaiting() {
    const counts = app.queue.isReady()
      ? await Promise.all(queues.map((queue) => app.queue.countWaiting(queue).catch(() => 0)))
      : []
    waiting = new Map(queues.map((queue, i) => [queue, counts[i] ?? 0]))
    return LOOK_MS
  }

  /** Answers the pause after a look, in ms: longer when counting itself takes long. When it failed, what was counted before is stale. */
  async function lookAgain() {
    const took = await look().catch((error) => {
      app.log.debug({ err: error }, 'the load was not counted')
      return 0
    })
    return Math.min(Math.max(LOOK_MS, 20 * took), MOST_LOOK_MS)
  }

  return {
    watch: () => {
      if (looks.length) return
      looks = [repeat(0, lookAgain), repeat(0, countWaiting)]
    },
    stop: () => {
      for (const { stop } of looks) void stop()
    },

    /**
     * Counts some more until the next look.
     * @throws problem 422 `BATCH_TOO_LARGE` for more than can ever be open, 429 `TOO_MANY_OPEN_JOBS`, 503 `QUEUE_FULL`
     */
    admit(submitter: string, jobs: number) {
      const most = Math.min(openPerOwner, openInAll)
      if (jobs > most) {
        const detail = `${jobs} jobs at a time, and no more than ${most} may be unfinished; send them in smaller batches`
        throw problem(422, 'BATCH_TOO_LARGE', detail)
      }
      const own = open.bySubmitter.get(submitter) ?? 0
      if (own + jobs > openPerOwner) {
        const much = `you have ${own} unfinished jobs, and ${jobs} more would pass the limit of ${openPerOwner}`
        throw problem(429, 'TOO_MANY_OPEN_JOBS', `${much}; wait until some are done`, { retryAfter: 5 })
      }
      if (open.inAll + jobs > openInAll) {
        throw problem(503, 'QUEUE_FULL', 'too many jobs wait; try again later', { retryAfter: 5 })
      }
      open.inAll += jobs
      open.bySubmitter.set(submitter, own + jobs)
    },

    /** Takes back an admission that brought nothing new. */
    dismiss(submitter: string, jobs: number) {
      open.inAll -= jobs
      open.bySubmitter.set(submitter, (open.bySubmitter.get(submitter) ?? jobs) - jobs)
    },

    /** Whether a delivery may go to Redis at once, ahead of nothing older. */
    hasRoom: (queue: string) => app.queue.isReady() && !behind.has(queue) && (waiting.get(queue) ?? 0) < MOST_WAITING,

    noteSent(queue: string, deliveries: number) {
      waiting.set(queue, (waiting.get(queue) ?? 0) + deliveries)
    }
  }
}

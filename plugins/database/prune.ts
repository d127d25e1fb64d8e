/** Housekeeping: what is over is deleted, few rows at a time. */
import type { FastifyInstance } from 'fastify'

const HOUR_MS = 3_600_000
/** Rows of one statement: it locks few, and is over long before a statement may take no longer. */
const AT_ONCE = 1_000

/** Deletes so many rows at the most; answers how many. */
type DeleteSome = (most: number) => Promise<number>

export type Prune = (what: string, deletes: DeleteSome[]) => void

/** At the start and each hour, one after the other, each until less than a full statement was there to delete. */
export function createPrune(app: FastifyInstance): Prune {
  return (what, deletes) => {
    let isStopped = false

    async function prune(): Promise<void> {
      for (const deleteSome of deletes) {
        for (let deleted = AT_ONCE; deleted === AT_ONCE && !isStopped; ) deleted = await deleteSome(AT_ONCE)
      }
    }
    const start = () => {
      prune().catch((error) => app.log.warn({ err: error }, `old ${what} were not deleted`))
    }
    const timer = setInterval(start, HOUR_MS)
    timer.unref()
    app.addHook('onReady', async () => start())
    app.addHook('onClose', async () => {
      isStopped = true
      clearInterval(timer)
    })
  }
}

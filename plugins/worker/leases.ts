/** The leases that this consumer holds: renewed together each second, given back at the stop (design rule 6). */
import type { FastifyInstance } from 'fastify'
import { type Repetition, repeat } from '#schema/repeat'

const RENEW_MS = 1_000

export type ClaimedJob = Awaited<ReturnType<FastifyInstance['ledger']['claim']>>[number]

/** Why a run was aborted. */
export type AbortReason = 'lost' | 'timed_out' | 'stopping'

export interface Held {
  job: ClaimedJob
  /** When it was claimed, by this process' monotonic clock, in ms. */
  since: number
  /** 0 to 100, or null while the handler says nothing. */
  progress: number | null
  abort: (reason: AbortReason) => void
}

export type Leases = ReturnType<typeof createLeases>

export function createLeases({ app }: { app: FastifyInstance }) {
  const held = new Map<string, Held>()
  let renewals: Repetition | undefined

  async function renew() {
    const now = performance.now()
    const due = [...held.values()].filter(({ since }) => now - since > RENEW_MS)
    if (!due.length) return
    const lost = await app.ledger.renew(due.map(({ job, progress }) => ({ id: job.id, token: job.token, progress })))
    for (const { state, ...attempt } of lost) {
      const lease = held.get(nameOf(attempt))
      if (!lease) continue
      app.log.warn(
        { jobId: attempt.id, state },
        state === 'active' ? 'another consumer took a job over' : 'a running job was ended'
      )
      lease.abort('lost')
      held.delete(nameOf(attempt))
    }
  }

  async function renewAgain() {
    await renew().catch((error) => app.log.warn({ err: error }, 'leases were not renewed'))
    return RENEW_MS
  }

  return {
    start: () => {
      renewals = repeat(RENEW_MS, renewAgain)
    },

    hold(job: ClaimedJob, abort: Held['abort']): Held {
      const lease = { job, since: performance.now(), progress: null, abort }
      held.set(nameOf(job), lease)
      return lease
    },

    /** Lets go of a lease whose job has been finished. */
    drop: (job: ClaimedJob) => void held.delete(nameOf(job)),

    /** Stops renewing, aborts what still runs and returns it to the queue, attempt given back (design rule 13). */
    async giveBack() {
      void renewals?.stop()
      const rest = [...held.values()]
      held.clear()
      for (const { abort } of rest) abort('stopping')
      await Promise.all(rest.map(({ job }) => app.ledger.finish({ job, outcome: 'released', delayMs: 0 }))).catch(
        (error) =>
          app.log.warn({ err: error }, 'running jobs were not given back; they come back when their leases end')
      )
    }
  }
}

/** By attempt, not by job: after a freeze a consumer may hold a second attempt while its first still runs. */
const nameOf = ({ id, token }: { id: string; token: string }) => `${id} ${token}`

/** One delivery as a pipeline: claim, check, run, finish. */
import type { FastifyInstance } from 'fastify'
import { groupBy } from '#schema/group-by'
import type { Registry } from '#schema/registry'
import { createShortcut } from './at-once.js'
import { type Circumstances, findFault, judgeError, judgePayload } from './endings.js'
import type { Handler } from './handler.js'
import type { AbortReason, ClaimedJob, Held, Leases } from './leases.js'

/** Time that a handler gets to end after its signal aborted, in ms. */
const STUBBORN_MS = 10_000

export interface RunOptions {
  app: FastifyInstance
  registry: Registry
  handlers: Map<string, Handler<unknown, unknown>>
  leases: Leases
  onBroken: (error: Error) => void
}

type Ending = Parameters<FastifyInstance['ledger']['finish']>[0]
export type Arrived = Parameters<Parameters<FastifyInstance['queue']['consume']>[1]>[0]

export function createRun({ app, registry, handlers, leases, onBroken }: RunOptions) {
  const storeAtOnce = createShortcut({ app, registry, handlers })

  return async (delivery: Arrived): Promise<void> => {
    if (await storeAtOnce(delivery)) return
    const jobs = await app.ledger.claim(delivery)
    const groups = groupBy(jobs, ({ type }) => type)
    await Promise.all([...groups].map(([type, ofType]) => runType(type, ofType)))
  }

  async function runType(type: string, jobs: ClaimedJob[]): Promise<void> {
    const definition = registry.jobs.get(type)
    const handler = handlers.get(type)
    const judged = jobs.map((job) => judgePayload(job, definition))
    const refused = jobs.flatMap((job, i): Ending[] => (judged[i] ? [{ job, ...judged[i] }] : []))
    const fit = jobs.filter((_, i) => judged[i] === undefined)
    const runs =
      !handler || !fit.length
        ? []
        : handler.runMany || handler.answer
          ? [runTogether(handler, fit)]
          : fit.map((job) => runAlone(handler, job))
    await Promise.all([...refused.map(finish), ...runs])
  }

  function runTogether(handler: Handler<unknown, unknown>, jobs: ClaimedJob[]) {
    return attempt(jobs, async (controller, held) => {
      const progress = (percent: number) => noteProgress(held, percent)
      const log = app.log.child({ job: nameOf(jobs[0]), jobs: jobs.length })
      const { answer } = handler
      const results = answer
        ? jobs.map(answer)
        : await handler.runMany?.(jobs, { signal: controller.signal, progress, log })
      if (results?.length !== jobs.length)
        throw new Error(`runMany answered ${results?.length} results for ${jobs.length} jobs`)
      return results
    })
  }

  function runAlone(handler: Handler<unknown, unknown>, job: ClaimedJob) {
    return attempt([job], async (controller, held) => {
      const progress = (percent: number) => noteProgress(held, percent)
      const log = app.log.child({ job: nameOf(job), jobId: job.id, trace: job.trace })
      return [await handler.run?.(job.payload, { signal: controller.signal, progress, log, job })]
    })
  }

  /** Holds the leases while the work runs, then finishes each job by what became of it. */
  async function attempt(
    jobs: ClaimedJob[],
    work: (controller: AbortController, held: Held[]) => Promise<unknown[]>
  ): Promise<void> {
    const controller = new AbortController()
    let open = jobs.length
    const abort = (reason: AbortReason) => {
      // neighbours go on while one job of a delivery is lost
      if (reason === 'lost' && --open > 0) return
      controller.abort(reason)
    }
    const held = jobs.map((job) => leases.hold(job, abort))
    const timer = setTimeout(() => abort('timed_out'), Math.min(...jobs.map(({ timeoutMs }) => timeoutMs)))
    const ended = await settle(work(controller, held), controller.signal)
    clearTimeout(timer)
    if (controller.signal.reason === 'stopping') return // given back by then
    const circumstances = { signal: controller.signal, shared: jobs.length > 1 }
    await Promise.all(jobs.map((job, i) => finish(judge(job, ended, i, circumstances))))
  }

  function judge(job: ClaimedJob, ended: Settled, i: number, circumstances: Circumstances): Ending {
    try {
      if (ended.error !== undefined) return judgeError(job, ended.error, circumstances)
      const result = ended.results?.[i]
      const fault = findFault(result, registry.jobs.get(job.type))
      return fault ? judgeError(job, fault, circumstances) : { job, outcome: 'done', result }
    } catch (error) {
      return judgeError(job, error, circumstances) // a result that cannot even be looked through
    }
  }

  /** Waits for the work; when it goes on for long after its signal aborted, gives it up and says that the process is broken. */
  async function settle(work: Promise<unknown[]>, signal: AbortSignal): Promise<Settled> {
    const settled = work.then(
      (results): Settled => ({ results }),
      (error): Settled => ({ error: error ?? new Error('the handler threw nothing') })
    )
    let timer: NodeJS.Timeout | undefined
    let giveUpLater = () => {}
    const givenUp = new Promise<Settled>((resolve) => {
      giveUpLater = () => {
        timer = setTimeout(() => {
          if (signal.reason !== 'stopping') onBroken(new Error('a handler still runs long after its signal aborted'))
          resolve({ error: new Error('the handler ignored its signal') })
        }, STUBBORN_MS)
      }
    })
    signal.addEventListener('abort', giveUpLater, { once: true })
    const first = await Promise.race([settled, givenUp])
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUpLater) // a lease may still be lost while the end is written
    return first
  }

  async function finish(ending: Ending): Promise<void> {
    const { job, outcome } = ending
    try {
      const ours = await app.ledger.finish(ending)
      if (!ours)
        app.log.warn(
          { jobId: job.id, outcome },
          'a job ended when its lease was lost, or its end written before: nothing was written'
        )
      else if (outcome !== 'done')
        app.log.warn({ jobId: job.id, trace: job.trace, ending: withoutJob(ending) }, 'an attempt did not succeed')
    } catch (error) {
      app.log.error({ err: error, jobId: job.id, outcome }, 'an attempt could not be finished')
      await finishPlainly(job, error)
    } finally {
      leases.drop(job)
    }
  }

  /** What could not be written is this attempt's error. When even that is refused, the lease lapses and the relay takes the job back. */
  async function finishPlainly(job: ClaimedJob, error: unknown): Promise<void> {
    for (const cause of [error, new Error('the ending of the attempt could not be written')]) {
      const ended = await app.ledger.finish(judgeError(job, cause)).catch((failed) => {
        app.log.error({ err: failed, jobId: job.id }, 'an attempt could not be ended as failed')
        return undefined
      })
      if (ended !== undefined) return
    }
  }

  function nameOf(job: ClaimedJob | undefined): string {
    return `${registry.jobs.get(job?.type ?? '')?.queue}.${job?.type}`
  }
}

interface Settled {
  results?: unknown[]
  error?: unknown
}

/** Within 0 and 100; what is no number says nothing. */
function noteProgress(held: Held[], percent: number): void {
  if (typeof percent !== 'number' || Number.isNaN(percent)) return
  for (const lease of held) lease.progress = Math.min(Math.max(percent, 0), 100)
}

const withoutJob = ({ job: _, ...rest }: Ending) => rest

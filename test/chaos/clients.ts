/** People and programs that submit: they write down what they do, and repeat what had no answer under the same key. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, submit } from '../helpers/fault-stack.js'
import type { Journal } from './journal.js'
import { type Plan, planSubmission } from './plan.js'
import { createRandom } from './random.js'

export interface ClientsOptions {
  seed: number
  submissions: number
  /** Submissions begun in a second. */
  rate: number
  /** Addresses of the gateways, as they are now. */
  gateways: () => string[]
  journal: Journal
}

export interface ClientsReport {
  accepted: number
  unknown: number
  repeats: number
  /** Times to an answer with success, first sent to last received, in ms. */
  waits: number[]
}

/** Refusals that promise that nothing was stored: safe to repeat without a key. */
const NOTHING_STORED = ['DATABASE_UNAVAILABLE', 'OVERLOADED', 'QUEUE_FULL', 'TOO_MANY_OPEN_JOBS']
/** A client's patience, in ms. */
const PATIENCE_MS = 90_000
const PAUSE_MS = 150

export async function runClients(options: ClientsOptions): Promise<ClientsReport> {
  const { seed, submissions, rate, gateways, journal } = options
  const report: ClientsReport = { accepted: 0, unknown: 0, repeats: 0, waits: [] }
  const random = createRandom(seed + 7)
  const pick = () => {
    const urls = gateways()
    return { url: urls[random.integer(0, urls.length)] ?? '' }
  }

  async function runOne(plan: Plan) {
    await journal.write({ event: 'sends', plan })
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: plan.copies }, () => persist(plan)))
    for (const { id, replayed } of answers.flatMap((answer) => answer ?? [])) {
      report.waits.push(performance.now() - began)
      await journal.write({ event: 'accepted', marker: plan.marker, id, replayed })
    }
    const [first] = answers.flatMap((answer) => answer ?? [])
    if (first) report.accepted += 1
    if (first && plan.follows && plan.mode === 'async') await follow(plan, first.id)
  }

  /** Sends until there is an answer with success; without a key it repeats only what certainly was not stored. */
  async function persist(plan: Plan): Promise<Answer | undefined> {
    const until = Date.now() + PATIENCE_MS
    let reason = ''
    for (;;) {
      const safe = await submit(pick(), plan, 20_000).then(
        (answer) => {
          if (answer.status < 300) return answer
          reason = `${answer.status} ${answer.code}`
          return NOTHING_STORED.includes(answer.code)
        },
        (error: Error) => {
          reason = String(error)
          return reason.includes('ECONNREFUSED')
        }
      )
      if (typeof safe === 'object') return safe
      if (Date.now() > until || !(safe || plan.key)) break
      report.repeats += 1
      await sleep(PAUSE_MS)
    }
    report.unknown += 1
    await journal.write({ event: 'unknown', marker: plan.marker, reason })
    return undefined
  }

  async function follow({ form }: Plan, id: string) {
    for (let looks = 0; looks < 40; looks++) {
      const status = await readStatus(`${pick().url}/async/${form}/${id}`)
      if (status) await journal.write({ event: 'status', id, status })
      if (status === 'succeeded' || status === 'dead') return
      await sleep(250)
    }
  }

  const open = new Set<Promise<void>>()
  const began = performance.now()
  for (let n = 0; n < submissions; n++) {
    const ahead = began + (n * 1_000) / rate - performance.now()
    if (ahead > 0) await sleep(ahead)
    const one = runOne(planSubmission(seed, n)).finally(() => open.delete(one))
    open.add(one)
    // as many clients as there are; the next one waits until one has its answer
    if (open.size >= 400) await Promise.race(open)
  }
  await Promise.all(open)
  return report
}

/** What a status page says, undefined when it says nothing. */
async function readStatus(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    if (response.status === 404) return 'not found'
    const { status } = (await response.json()) as { status?: unknown }
    return response.ok ? String(status) : undefined
  } catch {
    return undefined // a gateway that was just killed
  }
}

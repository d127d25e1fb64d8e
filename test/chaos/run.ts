/** One chaos run: servers, processes, clients and a nemesis from one seed; then peace, and the reckoning. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../helpers/eventually.js'
import { type FaultStack, findDeliveries, startFaultStack } from '../helpers/fault-stack.js'
import type { Process } from '../helpers/processes.js'
import { startLine, through } from '../helpers/proxy.js'
import type { Scope } from '../helpers/services.js'
import { check, type Verdict } from './checker.js'
import { type ClientsReport, runClients } from './clients.js'
import { openJournal, readJournal } from './journal.js'
import { MUTANTS } from './mutants.js'
import { startNemesis } from './nemesis.js'
import { supervise } from './supervisor.js'

export interface ChaosOptions {
  seed: number
  submissions: number
  gateways?: number
  consumers?: number
  /** Submissions begun in a second. Default 200. */
  rate?: number
  /** A rule to leave out, one of `MUTANTS`. */
  mutant?: string
  /** Kinds of faults; all when absent. */
  faults?: string[]
  /** Time to settle after the last fault, in ms. Default 60,000. */
  patience?: number
  say?: (line: string) => void
}

export interface ChaosReport extends Verdict, ClientsReport {
  faults: ReadonlyMap<string, number>
  restarts: number
  /** From the last fault until nothing was open, in ms; undefined when that never came. */
  settleMs: number | undefined
}

const mute = () => {}

export async function runChaos(t: Scope, options: ChaosOptions): Promise<ChaosReport> {
  const { seed, submissions, gateways = 2, consumers = 2, rate = 200, mutant, patience = 60_000, say = mute } = options
  const mutations = mutant ? MUTANTS[mutant] : []
  if (!mutations) throw new Error(`MUTANT=${mutant} is none of: ${Object.keys(MUTANTS).join(', ')}`)
  const folder = await mkdtemp(join(tmpdir(), 'beeline-chaos-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'journal')

  const stack = await startFaultStack(t, { mutations })
  const { postgres, redis, db } = stack
  const [toPostgres, toRedis] = await Promise.all([startLine(t, postgres.port), startLine(t, redis.port)])
  const env = { DATABASE_URL: through(postgres.url, toPostgres), REDIS_URL: through(redis.url, toRedis) }
  const many = <Value>(count: number, start: () => Promise<Value>) => Promise.all(Array.from({ length: count }, start))
  const targets = {
    gateways: await many(gateways, () => stack.gateway(env)),
    consumers: await many(consumers, () => stack.consumer(env)),
    ...{ postgres, redis, toPostgres, toRedis }
  }
  const supervisor = supervise([...targets.gateways, ...targets.consumers])
  t.teardown(() => supervisor.stop())
  const journal = await openJournal(path)

  const began = Date.now()
  const seconds = () => ((Date.now() - began) / 1_000).toFixed(1)
  const nemesis = startNemesis(targets, {
    seed,
    ...(options.faults && { only: options.faults }),
    onFault: (kind) => say(`${seconds()} s: ${kind}`)
  })
  const clients = await runClients({
    ...{ seed, submissions, rate, journal },
    gateways: () => targets.gateways.map(({ url }) => url)
  })
  await nemesis.stop()
  say(`${seconds()} s: peace`)
  const peace = Date.now()
  const settled = await eventually(() => settle(stack, targets), { timeout: patience, pause: 250 }).then(
    () => undefined,
    (error: Error) => error
  )
  const settleMs = settled ? undefined : Date.now() - peace
  await journal.close()
  const verdict = await check(db, await readJournal(path))
  if (settled) verdict.broken.push(`not settled after ${patience} ms: ${settled.message}`)
  const { faults } = nemesis
  const { restarts } = supervisor
  await supervisor.stop()
  return { ...verdict, ...clients, faults, restarts, settleMs }
}

/** I8: nothing is open, nothing is left in Redis, every process says that it is ready; no human has helped. */
async function settle({ db, redis }: FaultStack, { gateways, consumers }: Record<'gateways' | 'consumers', Process[]>) {
  const { rows } = await db.query<{ state: string; jobs: number }>(
    `select state, count(*)::int as jobs from jobs where state in ('queued', 'active') group by state`
  )
  if (rows.length) throw new Error(rows.map(({ state, jobs }) => `${jobs} ${state}`).join(', '))
  const left = await findDeliveries(redis)
  if (left.length) throw new Error(`left in Redis: ${left.join(', ')}`)
  for (const { url } of [...gateways, ...consumers]) {
    const { status } = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })
    if (status !== 200) throw new Error(`${url} is not ready`)
  }
}

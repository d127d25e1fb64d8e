/** Joins what the clients wrote down with what Postgres holds, and names every broken promise. */
import type pg from 'pg'
import { groupBy } from '#schema/group-by'
import type { Entry } from './journal.js'
import type { Plan } from './plan.js'

export interface Verdict {
  accepted: number
  lost: string[]
  doubled: string[]
  /** Other broken promises. */
  broken: string[]
  /** Dead jobs by the code of their error. */
  dead: Map<string, number>
  /** Attempts beyond the first. */
  extraAttempts: number
}

interface Row {
  id: string
  marker: string
  state: string
  attempts: number
  error: { code?: string } | null
  /** The attempt that each effect was written in; a submission's row tells none. */
  effects: number[]
}

const FINISHED = ['succeeded', 'dead']

export async function check(db: pg.Pool, journal: Entry[]): Promise<Verdict> {
  const verdict: Verdict = { accepted: 0, lost: [], doubled: [], broken: [], dead: new Map(), extraAttempts: 0 }
  const { lost, doubled, broken } = verdict
  const plans = new Map<string, Plan>()
  const answers = new Map<string, string[]>()
  for (const entry of journal) {
    if (entry.event === 'sends') plans.set(entry.plan.marker, entry.plan)
    if (entry.event === 'accepted') answers.set(entry.marker, [...(answers.get(entry.marker) ?? []), entry.id])
  }
  const [jobs, stored] = await Promise.all([readJobs(db), readDirect(db)])
  const byMarker = groupBy([...jobs, ...stored], ({ marker }) => marker)

  // I1, I6: an answer with success has its row, and only one, whatever was repeated
  for (const [marker, ids] of answers) {
    verdict.accepted += 1
    const rows = byMarker.get(marker) ?? []
    if (new Set(ids).size > 1) doubled.push(`${marker}: one key, several ids: ${ids.join(', ')}`)
    for (const id of new Set(ids)) if (!rows.some((row) => row.id === id)) lost.push(`${marker}: no row ${id}`)
  }
  for (const [marker, rows] of byMarker) {
    if (!plans.has(marker)) broken.push(`${marker}: a row that nobody sent`)
    if (rows.length > 1) doubled.push(`${marker}: ${rows.length} rows for one submission`)
  }

  // I2, I3: every job has ended; it had its effect once when it succeeded, in its last attempt, else never
  for (const { id, marker, state, attempts, error, effects } of jobs) {
    verdict.extraAttempts += Math.max(0, attempts - 1)
    const name = `${marker} (${id})`
    if (!FINISHED.includes(state)) lost.push(`${name}: still ${state}`)
    if (effects.length > 1) doubled.push(`${name}: ${effects.length} effects`)
    if (state === 'succeeded' && !effects.length) lost.push(`${name}: succeeded without effect`)
    if (state !== 'succeeded' && effects.length) broken.push(`${name}: ${state} with an effect`)
    if (effects.some((attempt) => attempt && attempt !== attempts))
      broken.push(`${name}: attempt ${effects} wrote over attempt ${attempts}`)
    if (state !== 'dead') continue
    const code = error?.code ?? ''
    if (!code) broken.push(`${name}: dead without a reason`)
    verdict.dead.set(code, (verdict.dead.get(code) ?? 0) + 1)
  }
  for (const plan of plans.values()) {
    const [row] = byMarker.get(plan.marker) ?? []
    if (!row || row.state === 'stored') continue
    const must = plan.action === 'give-up' || plan.action === 'kill' ? 'dead' : undefined
    if (must && row.state !== must) broken.push(`${plan.marker}: ${plan.action} ended ${row.state}`)
  }

  // I4: no effect without its job
  for (const { id, table } of await findOrphans(db)) broken.push(`${id}: an effect in ${table} without its job`)

  // I5: what a client saw never goes back
  const seen = new Map<string, string>()
  for (const entry of journal) {
    if (entry.event !== 'status') continue
    const before = seen.get(entry.id)
    if (entry.status === 'not found') lost.push(`${entry.id}: its status page was not found`)
    if (before && FINISHED.includes(before) && entry.status !== before)
      broken.push(`${entry.id}: was ${before}, then ${entry.status}`)
    seen.set(entry.id, entry.status)
  }

  // the ledger's own balance (design rule 11)
  const { rows: balance } = await db.query<{ counted: number; rows: number }>(
    `select (select coalesce(sum(jobs), 0)::int from accept_counts) as counted, (select count(*)::int from jobs) as rows`
  )
  for (const { counted, rows } of balance)
    if (counted !== rows) broken.push(`balance: ${counted} counted in the commits, ${rows} rows`)
  return verdict
}

async function readJobs(db: pg.Pool): Promise<Row[]> {
  const { rows } = await db.query<Row>(
    `select id, state, attempts, error, coalesce(payload->'data'->>'marker', payload->'data'->>'name') as marker,
            coalesce((select array_agg(attempt) from probe_effects where job_id = jobs.id), '{}')
              || coalesce((select array_agg(0) from submissions where id = jobs.id), '{}') as effects
       from jobs`
  )
  return rows
}

async function readDirect(db: pg.Pool): Promise<Row[]> {
  const { rows } = await db.query<Row>(
    `select id, 'stored' as state, 0 as attempts, null as error, data->>'name' as marker, '{}'::int[] as effects
       from submissions where mode = 'sync'`
  )
  return rows
}

async function findOrphans(db: pg.Pool): Promise<{ id: string; table: string }[]> {
  const { rows } = await db.query<{ id: string; table: string }>(
    `select id, 'submissions' as table from submissions where mode = 'async' and id not in (select id from jobs)
     union all
     select job_id, 'probe_effects' from probe_effects where job_id not in (select id from jobs)`
  )
  return rows
}

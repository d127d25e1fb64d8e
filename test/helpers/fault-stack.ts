/** Everything that a fault test stands on: real servers, the probe definitions, ways to submit, and what must hold at the end. */
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import pg from 'pg'
import { PROBE_TABLE } from '../fixtures/probe.js'
import { copyBuild, type Replacement } from './build-copy.js'
import { eventually } from './eventually.js'
import { post } from './post.js'
import { type Environment, type ProcessOptions, startConsumer, startGateway } from './processes.js'
import { type Scope, startPostgres, startRedis } from './services.js'

export interface Answer {
  status: number
  id: string
  code: string
  replayed: boolean
  retryAfter: string | null
}

export interface Submission {
  marker: string
  /** What the probe's handler does. Default 'store'. */
  action?: string
  ms?: number
  form?: string
  mode?: 'sync' | 'async'
  key?: string
}

export interface JobState {
  id: string
  type: string
  state: string
  attempts: number
  error: { code: string } | null
  /** Rows that its handler stored. */
  effects: number
}

export type FaultStack = Awaited<ReturnType<typeof startFaultStack>>

export async function startFaultStack(t: Scope, { mutations = [] as Replacement[], persistent = false } = {}) {
  const [postgres, redis, build] = await Promise.all([
    startPostgres(t),
    startRedis(t, { persistent }),
    copyBuild(t, mutations)
  ])
  const db = new pg.Pool({ connectionString: postgres.ownerUrl, max: 4, allowExitOnIdle: true })
  db.on('error', () => {}) // the tests kill its server
  db.on('connect', (client) => client.on('error', () => {}))
  t.teardown(() => db.end())
  await db.query(PROBE_TABLE)
  const own = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, SHUTDOWN_GRACE_MS: '2000' }
  return {
    postgres,
    redis,
    db,
    gateway: (env: Environment = {}, options: ProcessOptions = {}) =>
      startGateway(t, { ...own, ...env }, { build, ...options }),
    consumer: (env: Environment = {}, options: ProcessOptions = {}) =>
      startConsumer(t, { ...own, ...env }, { build, ...options })
  }
}

/** Sends one submission; rejects when the connection breaks. */
export async function submit({ url }: { url: string }, submission: Submission, timeout = 30_000): Promise<Answer> {
  const { marker, action = 'store', ms, form = 'probe', mode = 'async', key } = submission
  const isProbe = form.startsWith('probe')
  const contact = { name: marker, email: 'ada@example.org', message: marker, consent: true }
  const { status, headers, body } = await post(`${url}/${mode}/${form}`, {
    headers: { ...(key && { 'idempotency-key': key }) },
    body: isProbe ? { marker, action, ...(ms !== undefined && { ms }) } : contact,
    timeout
  })
  const { id = '', code = '' }: { id?: string; code?: string } = JSON.parse(body)
  return {
    ...{ status, id, code },
    replayed: headers['idempotency-replayed'] === 'true',
    retryAfter: headers['retry-after'] ?? null
  }
}

/** Submits and expects 202; answers the job's id. */
export async function accept(gateway: { url: string }, submission: Submission): Promise<string> {
  const { status, id, code } = await submit(gateway, submission)
  assert.equal(status, 202, code)
  return id
}

export async function readJobs(db: pg.Pool, ids: string[]): Promise<JobState[]> {
  const { rows } = await db.query<JobState>(
    `select id, type, state, attempts, error,
            case when type like 'probe%' then (select count(*)::int from probe_effects where job_id = jobs.id)
                 else (select count(*)::int from submissions where id = jobs.id) end as effects
       from jobs where id = any($1::uuid[]) order by id`,
    [ids]
  )
  return rows
}

export async function readJob(db: pg.Pool, id: string): Promise<JobState> {
  const [job] = await readJobs(db, [id])
  assert.ok(job, `no job ${id}`)
  return job
}

/**
 * Waits until every job has succeeded with exactly one effect, or is dead without any and says why; then checks the balance
 * and that nothing is left over in Redis' place. Answers the jobs.
 */
export async function settled(db: pg.Pool, ids: string[], timeout = 60_000): Promise<JobState[]> {
  return eventually(
    async () => {
      const jobs = await readJobs(db, ids)
      assert.equal(jobs.length, new Set(ids).size, 'every accepted id has its row')
      for (const { id, state, effects, error } of jobs) {
        assert.ok(state === 'succeeded' || state === 'dead', `${id} is ${state}`)
        assert.equal(effects, state === 'succeeded' ? 1 : 0, `${id} is ${state} with ${effects} effects`)
        if (state === 'dead') assert.ok(error?.code, `${id} is dead without a reason`)
      }
      await balanced(db)
      return jobs
    },
    { timeout }
  )
}

/** The numbers counted in the accepting commits equal the ledger's rows (design rule 11). */
export async function balanced(db: pg.Pool): Promise<void> {
  const { rows } = await db.query(
    `select (select coalesce(sum(jobs), 0)::int from accept_counts) as counted, (select count(*)::int from jobs) as rows`
  )
  assert.equal(rows[0].counted, rows[0].rows, 'the balance holds')
}

/** Bee-Queue's keys that hold deliveries: none when all are worked off. */
export async function findDeliveries({ url }: { url: string }): Promise<string[]> {
  const client = new Redis(url, { lazyConnect: true, commandTimeout: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const keys = await client.keys('bq:*')
    return keys.filter((key) => /:(waiting|active|jobs|failed|succeeded)$/.test(key)).sort()
  } finally {
    client.disconnect()
  }
}

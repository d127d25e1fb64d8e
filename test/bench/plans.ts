/** How Postgres finds the rows that the ledger's statements name, with the settings of our own connections. */
import Fastify from 'fastify'
import type { PoolClient } from 'pg'
import database from '#plugins/database'
import { insertJobs } from '../../plugins/ledger/queries/accept.js'
import { finishLocked, lockFresh } from '../../plugins/ledger/queries/at-once.js'
import { claimJobs } from '../../plugins/ledger/queries/claim.js'
import { finishSucceeded } from '../../plugins/ledger/queries/finish.js'
import { renewLeases } from '../../plugins/ledger/queries/leases.js'
import { listJobs } from '../../plugins/ledger/queries/list.js'
import { findEnds, findJobs } from '../../plugins/ledger/queries/read.js'
import { expireJobs, findDeliveries, findUndelivered, returnLapsed } from '../../plugins/ledger/queries/relay.js'

export interface Plan {
  /** What the statement is for. */
  title: string
  /** Its parts that read a table, or look for what is there already, as Postgres names them. */
  reads: string[]
}

const ID = '01940000-0000-7000-8000-000000000000'
const job = { id: ID, token: ID, deliveryId: ID, type: 'store-submission', payload: {}, schemaVersion: 1, attempts: 1 }
const claimed = { ...job, maxAttempts: 5, timeoutMs: 30_000, trace: null, ownerId: null }

const STATEMENTS: Record<string, (client: PoolClient) => Promise<unknown>> = {
  accept: (client) => insertJobs(client, { rows: [{ id: ID, json: '{}' }], deliveryOf: new Map(), process: ID }),
  'store at once: lock': (client) => lockFresh(client, [{ id: ID, ids: [ID] }]),
  'store at once: finish': (client) => client.query(finishLocked([{ job: claimed, result: null }])),
  claim: (client) => claimJobs(client, { deliveries: [{ id: ID, ids: [ID] }], token: ID }),
  finish: (client) => finishSucceeded(client, [{ job: claimed, result: null }]),
  'renew leases': (client) => renewLeases(client, [{ id: ID, token: ID, progress: null }]),
  'relay: what is due': (client) => findUndelivered(client, 'submissions', { suspect: false, limit: 5_000 }),
  'relay: deliveries under way': (client) => findDeliveries(client, 'submissions'),
  'relay: lapsed leases': (client) => returnLapsed(client),
  'relay: what expired': (client) => expireJobs(client),
  'read a job': (client) => findJobs(client, [ID]),
  'read the end of one': (client) => findEnds(client, [ID]),
  'list, newest first': (client) => listJobs(client, {}, 50),
  'list, the dead': (client) => listJobs(client, { state: 'dead' }, 50),
  'list, one owner': (client) => listJobs(client, { ownerId: ID }, 50)
}

export async function explainLedger(url: string): Promise<Plan[]> {
  const app = Fastify()
  let unfit: Error | undefined
  app.register(database, {
    url,
    onUnfit: (error) => {
      unfit = error
    }
  })
  await app.ready()
  const client = await app.pg.connect()
  try {
    const plans: Plan[] = []
    for (const [title, call] of Object.entries(STATEMENTS)) plans.push({ title, reads: await explain(client, call) })
    if (unfit) throw unfit
    return plans
  } finally {
    client.release()
    await app.close()
  }
}

/** The plan that is kept for all values, of the first statement that a call sends. */
async function explain(client: PoolClient, call: (client: PoolClient) => Promise<unknown>): Promise<string[]> {
  const sent: { text: string; values: unknown[] }[] = []
  const note = async (query: string | { text: string; values?: unknown[] }, values: unknown[] = []) => {
    sent.push(typeof query === 'string' ? { text: query, values } : { text: query.text, values: query.values ?? [] })
    return { rows: [] }
  }
  await call({ query: note } as never) // they ask no more of a client
  const [first] = sent
  if (!first) throw new Error('no statement was sent')
  await client.query('set plan_cache_mode = force_generic_plan')
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${first.text}`, first.values)
  return rows
    .map((row) => row['QUERY PLAN'].replace(/^[\s>-]*/, ''))
    .filter((line) => /\bScan\b|\bArbiter\b/.test(line))
}

/** What is compared: Beeline and the peers a user would take instead. */
import type { Redis } from 'ioredis'
import type pg from 'pg'
import { migrate } from '../../infra/postgres/migrate.js'
import { submission } from './contact-form.js'
import type { Asked } from './load.js'

export interface Side {
  title: string
  /** Programs, relative to `build/`. */
  gateway: string
  consumer: string
  /** What the log of either says when it serves. */
  ready: RegExp
  /** Names of the works that it takes part in. */
  works: string[]
  /** Paths that take the contact form; a side without `sync` would do it as the plain one does. */
  sync?: string
  async: string
  /** Path and request that wait for the job's end. */
  wait?: { path: string } & Asked
  /** Path and request of the list of jobs. */
  jobs?: { path: string } & Asked
  /** Path of the list of tasks, with one by its id below it. */
  tasks?: string
  /** Makes the tables in a new database. */
  migrate(database: pg.Client, url: string): Promise<void>
  environment(place: Place): NodeJS.ProcessEnv
  /** Accepted jobs that have no row yet. */
  countOpen(stores: { database: pg.Client; redis: Redis }): Promise<number>
}

export interface Place {
  port: number
  consumerPort: number
  databaseUrl: string
  redisUrl: string
}

/** As many as wait at once. */
const WAITING = 32
const API_KEY = 'the-key-of-a-benchmark-opens-nothing'

const peer = {
  ready: /^ready$/m,
  async: '/async',
  wait: { path: '/wait', body: submission, connections: WAITING },
  async migrate(database: pg.Client) {
    await database.query(`
      create table submissions (
        id uuid primary key default gen_random_uuid(),
        form text not null,
        mode text not null,
        data jsonb not null,
        created_at timestamptz not null default now()
      );
      create table tasks (
        id integer generated always as identity primary key,
        insert_id uuid,
        title text not null,
        description text not null,
        is_done boolean not null,
        version integer not null default 1,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
      )`)
  },
  environment: ({ port, databaseUrl, redisUrl }: Place) => ({
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl
  })
}

const ledger = {
  async migrate(_database: pg.Client, url: string) {
    await migrate({ ownerUrl: url, appUrl: inServingRole(url) })
  },
  countOpen: ({ database }: { database: pg.Client }) =>
    count(database, `select count(*)::int as n from jobs where state in ('queued', 'active')`)
}

export const plain: Side = {
  ...peer,
  title: 'Fastify + Bee-Queue, written plainly',
  gateway: 'test/bench/peers/plain/gateway.js',
  consumer: 'test/bench/peers/plain/worker.js',
  sync: '/sync',
  tasks: '/tasks',
  works: ['sync', 'accept', 'drain', 'wait', 'together', 'latency', 'tasks-list', 'tasks-read', 'tasks-mixed'],
  countOpen: ({ redis }) => countKeys(redis, ['bq:submissions:waiting', 'bq:submissions:active'])
}

export const sides: Record<string, Side> = {
  plain,
  bullmq: {
    ...peer,
    title: 'Fastify + BullMQ',
    gateway: 'test/bench/peers/bullmq/gateway.js',
    consumer: 'test/bench/peers/bullmq/worker.js',
    works: ['accept', 'drain', 'wait', 'together', 'latency'],
    countOpen: ({ redis }) => countKeys(redis, ['bull:submissions:wait', 'bull:submissions:active'])
  },
  'pg-boss': {
    ...peer,
    title: 'Fastify + pg-boss',
    gateway: 'test/bench/peers/pg-boss/gateway.js',
    consumer: 'test/bench/peers/pg-boss/worker.js',
    works: ['accept', 'drain', 'together'],
    countOpen: ({ database }) =>
      count(database, `select count(*)::int as n from pgboss.job where name = 'submissions' and state < 'completed'`)
  },
  least: {
    ...peer,
    ...ledger,
    title: 'The least with the same ledger',
    gateway: 'test/bench/peers/least/gateway.js',
    consumer: 'test/bench/peers/least/worker.js',
    sync: '/sync',
    tasks: '/tasks',
    works: ['sync', 'accept', 'drain', 'wait', 'together', 'latency', 'tasks-list', 'tasks-read'],
    environment: (place) => peer.environment({ ...place, databaseUrl: inServingRole(place.databaseUrl) })
  },
  beeline: {
    ...ledger,
    title: 'Beeline',
    gateway: 'services/gateway/server.js',
    consumer: 'services/consumer/server.js',
    ready: /Server listening at/,
    sync: '/sync/contact',
    works: [
      ...plain.works,
      'sync-token',
      'sync-key',
      'history',
      'jobs-list',
      'list-history',
      'tasks-nginx',
      'tasks-redis'
    ],
    async: '/async/contact',
    tasks: '/api/tasks',
    wait: {
      path: '/api/jobs/store-submission',
      body: { form: 'contact', data: submission },
      headers: { 'x-api-key': API_KEY },
      connections: WAITING
    },
    jobs: { path: '/api/jobs?limit=50', headers: { 'x-api-key': API_KEY } },
    environment: ({ port, consumerPort, databaseUrl, redisUrl }) => ({
      PORT: String(port),
      CONSUMER_PORT: String(consumerPort),
      DATABASE_URL: inServingRole(databaseUrl),
      REDIS_URL: redisUrl,
      API_KEY,
      SECRET_KEY: 'the-secret-of-a-benchmark-is-no-secret',
      PUBLIC_TASKS: 'true',
      // raised, not switched off: they are counted as ever
      SUBMISSIONS_PER_MINUTE: '100000000',
      REQUESTS_PER_MINUTE: '100000000',
      OPEN_JOBS_PER_OWNER: '100000000',
      OPEN_JOBS: '1000000000'
    })
  }
}

/** The address in the role that may neither delete rows nor change the structure. */
function inServingRole(url: string): string {
  return Object.assign(new URL(url), { username: 'beeline_app' }).href
}

/** The one number that a statement answers in a column `n`. */
export async function count(database: pg.Client, statement: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>(statement)
  return rows[0]?.n ?? Number.NaN
}

async function countKeys(redis: Redis, lists: string[]): Promise<number> {
  const lengths = await Promise.all(lists.map((key) => redis.llen(key)))
  return lengths.reduce((sum, length) => sum + length, 0)
}

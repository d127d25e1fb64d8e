/** A gateway on real Postgres and Redis, with the short ways to ask it and the database. */
import pg from 'pg'
import { type Environment, type Process, startGateway } from './processes.js'
import { type PostgresService, type RedisService, type Scope, startPostgres, startRedis } from './services.js'

export interface Stack {
  postgres: PostgresService
  redis: RedisService
  gateway: Process
  /** DATABASE_URL and REDIS_URL, for further processes. */
  env: Environment
  /** Rows of a query, in the role that owns the tables. */
  sql: <Row = Record<string, unknown>>(text: string, values?: unknown[]) => Promise<Row[]>
  get: (path: string, headers?: Record<string, string>) => Promise<Response>
  /** Posts a value as JSON. */
  post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Response>
  /** Posts fields as a form does. */
  postForm: (
    path: string,
    fields: Record<string, string> | string,
    headers?: Record<string, string>
  ) => Promise<Response>
}

/** A submission of the contact form that is accepted. */
export const CONTACT = { name: 'Ada', email: 'ada@example.org', message: 'Good morning', consent: true }

/** The id in an answer's body. */
export async function idOf(answer: Response): Promise<string> {
  const { id } = Object(await answer.json())
  if (typeof id !== 'string') throw new Error(`an answer ${answer.status} without id`)
  return id
}

/** Only the servers and short ways to the database. */
export async function startServers(t: Scope) {
  const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
  const env: Environment = { DATABASE_URL: postgres.url, DATABASE_OWNER_URL: postgres.ownerUrl, REDIS_URL: redis.url }
  return { postgres, redis, env, sql: connect(t, postgres.ownerUrl) }
}

export async function startStack(t: Scope, settings: Environment = {}): Promise<Stack> {
  const servers = await startServers(t)
  const gateway = await startGateway(t, { ...servers.env, ...settings })
  return { ...servers, gateway, ...clientOf(() => gateway.url) }
}

/** Short ways to ask a service. Redirects are answers, not followed. */
export function clientOf(base: () => string): Pick<Stack, 'get' | 'post' | 'postForm'> {
  const send = (path: string, init: RequestInit) => fetch(base() + path, { redirect: 'manual', ...init })
  const post = (path: string, type: string, body: string, headers: Record<string, string> = {}) =>
    send(path, { method: 'POST', headers: { 'content-type': type, ...headers }, body })
  return {
    get: (path, headers = {}) => send(path, { headers }),
    post: (path, body, headers) => post(path, 'application/json', JSON.stringify(body), headers),
    postForm: (path, fields, headers) =>
      post(path, 'application/x-www-form-urlencoded', new URLSearchParams(fields).toString(), headers)
  }
}

/** A connection to query through; it is opened again after Postgres was away. */
export function connect(t: Scope, url: string): Stack['sql'] {
  const pool = new pg.Pool({ connectionString: url, max: 2, allowExitOnIdle: true })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return async <Row>(text: string, values: unknown[] = []) => (await pool.query(text, values)).rows as Row[]
}

/** All rows that a request could have stored. */
export async function countRows(sql: Stack['sql']): Promise<{ jobs: number; submissions: number; keys: number }> {
  const [counts] = await sql<{ jobs: number; submissions: number; keys: number }>(
    `select (select count(*)::int from jobs) as jobs, (select count(*)::int from submissions) as submissions,
            (select count(*)::int from idempotency_keys) as keys`
  )
  if (!counts) throw new Error('no counts')
  return counts
}

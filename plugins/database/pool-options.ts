/** What all connections of a pool have in common. */
import type { PoolConfig } from 'pg'
import { withSession } from './address.js'
import { createSocket } from './socket.js'

/** Every statement of ours is a look-up by index: a plan made while a table was empty must not survive its growth. */
const PLANS = ['enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off', 'jit=off']
/** What a process that vanished without a word (its line cut, its machine gone) leaves behind. */
const ABANDONED = ['tcp_keepalives_idle=10', 'tcp_keepalives_interval=5', 'tcp_keepalives_count=3']
/**
 * Postgres gives a statement up a moment before we do, so that it does not go on there behind our back. Statements that were sent
 * together may all the same, the commit among them: who writes again must find that out.
 */
const sessionSettings = (queryTimeoutMs: number) => [
  'synchronous_commit=on',
  'lock_timeout=3000',
  `statement_timeout=${Math.ceil(queryTimeoutMs * 0.9)}`,
  `idle_in_transaction_session_timeout=${Math.ceil(queryTimeoutMs * 0.9)}`,
  ...ABANDONED,
  ...PLANS
]

interface PoolSettings {
  url: string
  connections: number
  /** Time after which a silent connection is given up, in ms. */
  queryTimeoutMs: number
}

export const poolOptions = ({ url, connections, queryTimeoutMs }: PoolSettings): PoolConfig => ({
  ...withSession(url, sessionSettings(queryTimeoutMs)),
  max: connections,
  connectionTimeoutMillis: queryTimeoutMs,
  query_timeout: queryTimeoutMs,
  idleTimeoutMillis: 60_000,
  keepAlive: true,
  stream: createSocket,
  pipeline: true // statements that do not wait for each other go out together
})

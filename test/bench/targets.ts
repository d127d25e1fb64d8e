/** What Beeline has to reach, as ratios to others in the same round or as bounds of its own. */
import type { Measures } from './works.js'

export interface Target {
  work: string
  metric: keyof Pick<Measures, 'rate' | 'p50' | 'p99' | 'memory' | 'lag'>
  /** Name of the side or limit that it is compared with; a bound of its own has none. */
  against?: string
  /** The other side's work, when it is not the same. */
  otherWork?: string
  bound: number
  /** Rates must reach the bound, times and memory must stay within it. */
  is: 'at least' | 'at most'
  note?: string
}

export const targets: Target[] = [
  { work: 'sync', metric: 'rate', against: 'plain', is: 'at least', bound: 3 },
  { work: 'sync', metric: 'rate', against: 'pgbench-single', is: 'at least', bound: 1 },
  ...['sync-token', 'sync-key'].map((work) => ({
    work,
    metric: 'rate' as const,
    against: 'beeline',
    otherWork: 'sync',
    is: 'at least' as const,
    bound: 0.85,
    note: 'beside nobody known'
  })),
  { work: 'accept', metric: 'rate', against: 'plain', is: 'at least', bound: 0.65, note: 'theirs is not durable' },
  { work: 'accept', metric: 'rate', against: 'bullmq', is: 'at least', bound: 1.2, note: 'theirs is not durable' },
  { work: 'accept', metric: 'rate', against: 'pg-boss', is: 'at least', bound: 7 },
  { work: 'accept', metric: 'rate', against: 'static-fastify', is: 'at least', bound: 0.38 },
  { work: 'drain', metric: 'rate', against: 'plain', is: 'at least', bound: 6 },
  { work: 'drain', metric: 'rate', against: 'bullmq', is: 'at least', bound: 8 },
  { work: 'drain', metric: 'rate', against: 'pgbench-unnest', is: 'at least', bound: 0.25 },
  { work: 'wait', metric: 'rate', against: 'plain', is: 'at least', bound: 1.3 },
  { work: 'wait', metric: 'rate', against: 'bullmq', is: 'at least', bound: 2.8 },
  { work: 'wait', metric: 'p50', is: 'at most', bound: 5, note: 'ms' },
  { work: 'wait', metric: 'p99', is: 'at most', bound: 15, note: 'ms' },
  { work: 'together', metric: 'rate', against: 'plain', is: 'at least', bound: 2 },
  { work: 'together', metric: 'rate', against: 'bullmq', is: 'at least', bound: 4 },
  { work: 'together', metric: 'lag', is: 'at most', bound: 200, note: 'ms that a row is ever behind its submission' },
  {
    work: 'history',
    metric: 'rate',
    against: 'beeline',
    otherWork: 'together',
    is: 'at least',
    bound: 0.9,
    note: 'beside an empty ledger'
  },
  {
    work: 'list-history',
    metric: 'rate',
    against: 'beeline',
    otherWork: 'jobs-list',
    is: 'at least',
    bound: 0.9,
    note: 'beside a ledger of a hundred jobs'
  },
  { work: 'latency', metric: 'p50', against: 'plain', is: 'at most', bound: 1.1 },
  { work: 'latency', metric: 'p99', against: 'plain', is: 'at most', bound: 1.1 },
  { work: 'latency', metric: 'p50', against: 'bullmq', is: 'at most', bound: 1.1 },
  { work: 'latency', metric: 'p99', against: 'bullmq', is: 'at most', bound: 1.1 },
  { work: 'tasks-list', metric: 'rate', against: 'plain', is: 'at least', bound: 1.6 },
  { work: 'tasks-list', metric: 'rate', against: 'static-list', is: 'at least', bound: 0.9 },
  {
    work: 'tasks-redis',
    metric: 'rate',
    against: 'beeline',
    otherWork: 'tasks-list',
    is: 'at least',
    bound: 1,
    note: 'beside the gateway asked directly'
  },
  { work: 'tasks-read', metric: 'rate', against: 'plain', is: 'at least', bound: 2.3 },
  { work: 'tasks-read', metric: 'rate', against: 'static-fastify', is: 'at least', bound: 0.75 },
  { work: 'together', metric: 'memory', against: 'plain', is: 'at most', bound: 0.8 },
  { work: 'together', metric: 'memory', against: 'bullmq', is: 'at most', bound: 0.6 }
]

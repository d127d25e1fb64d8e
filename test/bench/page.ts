/** The words around the tables of docs/benchmarks.md. */

import { CONNECTIONS } from './load.js'
import type { Options } from './options.js'

interface Page {
  date: Date
  machine: string[]
  options: Options
  tables: string
}

export function writePage({ date, machine, options, tables }: Page): string {
  const { rounds, seconds, jobs } = options
  return `# Benchmarks

Written by \`make bench\` on ${date.toISOString().slice(0, 10)}. The figures are medians of ${rounds} rounds, with the least and the greatest beside them. In a
round every side has its turn, one after the other, so that a machine that becomes slower is slower for all; the ratios
are taken round by round. Compare figures of one run only, CPU seconds first.

## What is compared

- **Beeline** as it ships: one gateway and one consumer with log level info, security headers, request ids, checks of
  keys and unknown fields, limits and the ledger; every accepted job is a committed row before the answer. Its limits on submissions
  and open jobs are raised, not switched off.
- **Fastify + Bee-Queue, written plainly**: one insert for each sync request, one \`job.save()\` for each async one, answered when Redis has it,
  and a worker with one insert for each job, 50 at a time.
- **Fastify + BullMQ**: the same with \`queue.add\` and a \`Worker\` with concurrency 50.
- **Fastify + pg-boss**: \`boss.send\`, and \`boss.work\` in batches of 100, taken without
  pause while they come back full, else twice a second. Its time to the row is that setting, so it is not measured.

All peers are in \`test/bench/peers\`: one gateway and one worker process, \`NODE_ENV=production\`, a pool of 10 connections, Fastify's own
validator with the same fields. They write no log, send no security headers and check no keys. What the plain one and
BullMQ accept is not durable: Redis writes its file once a second.

All sides use the same Postgres with its default durability (every commit is synced to the disk) and the same Redis (append-only file, synced every second). Each
run starts with fresh processes, a fresh database, an empty Redis and a warm-up of 2 s that is not counted. A submission is a contact form of about 300 bytes, sent over
${CONNECTIONS} kept-alive connections for ${seconds} s; the drain takes ${jobs} waiting jobs after a first tenth that is not counted.

- CPU is that of all server processes (/proc), Postgres' backends included, for 1000 answers or jobs; the load's own is left out.
- Memory is what gateway and consumer hold together at the end of "together".
- The time to the row runs from sending a marked submission (50 a second) to the moment that Postgres noted for its commit (\`track_commit_timestamp\`); the
  sync of that commit to the disk comes after it, for all sides alike.
- After each run rows and open jobs are counted against the answers: exactly in the drain and at a steady pace, else but for the ${CONNECTIONS} requests
  that the end of a load cuts off. A difference stops the benchmark.

Machine:

${machine.map((line) => `- ${line}`).join('\n')}

${tables}

## Run it

\`make bench\` needs Linux, Redis, and uses wrk and pgbench when they are on PATH (without wrk autocannon makes the load; without pgbench its limits are left out).
In the environment: \`ROUNDS\` (3), \`SECONDS\` (8), \`JOBS\` (40000), \`ONLY=sync,accept,drain,together,latency\`, \`SIDES=plain,bullmq,pg-boss,beeline\`,
\`PROFILE=folder\` for CPU profiles of Beeline's processes there and its dearest statements on the screen. A run with \`ONLY\` or \`SIDES\` prints its tables and leaves this page alone.
`
}

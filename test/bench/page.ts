/** The words around the tables of docs/benchmarks.md. */

import { CONNECTIONS, WARM_UP_SECONDS } from './load.js'
import type { Options } from './options.js'
import { sides } from './sides.js'
import { works } from './works.js'

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
are taken round by round. Where least and greatest lie far apart, the machine may have changed its pace meanwhile, most of all between two works:
compare figures of one run only, CPU seconds first.

## What is compared

- **Beeline** as it ships: one gateway and one consumer with log level info, security headers, request ids, checks of
  keys and unknown fields, limits and the ledger; every accepted job is a committed row before the answer. Its limits on submissions
  and open jobs are raised, not switched off.
- **Fastify + Bee-Queue, written plainly**: one insert for each sync request, one \`job.save()\` for each async one, answered when Redis has it,
  and a worker with one insert for each job, 50 at a time.
- **Fastify + BullMQ**: the same with \`queue.add\` and a \`Worker\` with concurrency 50.
- **Fastify + pg-boss**: \`boss.send\`, and \`boss.work\` in batches of 100, taken without
  pause while they come back full, else twice a second. Its time to the row is that setting, so it is not measured.
- **The least with the same ledger**: no peer but a limit, that of these libraries with what was promised, made of Beeline's own shared commits, look-ups and queue. It commits rows of the same ledger before it answers,
  sends their ids through Bee-Queue, gives each answer a request id, security headers and a line of log, stores each job once, and does nothing else: nobody is held to limits or asked for a key, nothing is leased; a job
  whose id Redis loses, or that fails, stays where it is. The column *the least* tells what it reaches of the same goals.

All peers are in \`test/bench/peers\`: one gateway and one worker process, \`NODE_ENV=production\`, a pool of 10 connections, Fastify's own
validator with the same fields. None checks keys, and only the least writes a log and sends security headers. What the plain one and
BullMQ accept is not durable: Redis writes its file once a second.

To wait for the end, the plain way gives its job an id of its own and notes it before the save (Bee-Queue loses the event of a fast job otherwise), and
BullMQ keeps its last 1,000 jobs (one that is gone when it is waited for counts as failed).

All sides use the same Postgres with its default durability (every commit is synced to the disk) and the same Redis (append-only file, synced every second). Each
run starts with fresh processes, a fresh database, an empty Redis and a warm-up of ${WARM_UP_SECONDS} s that is not counted. A submission is a contact form of about 300 bytes, sent over
${CONNECTIONS} kept-alive connections for ${seconds} s; the drain takes ${jobs} waiting jobs after a first tenth that is not counted.

- CPU is that of all server processes (/proc), Postgres' backends included, for 1000 answers or jobs; the load's own is left out.
- Memory is what gateway and consumer hold together at the end of "together".
- The time to the row runs from sending a marked submission (50 a second) to the moment that Postgres noted for its commit (\`track_commit_timestamp\`); the
  sync of that commit to the disk comes after it, for all sides alike.
- "The same, with an access token" and "with an API key" are sync submissions of a user: the credential is looked up, and the row gets its owner
  and an entry in the owners' index. What was looked up is used for 0.9 s, so that is how long a revoked one may go on.
- "The same beside a million finished jobs" is "together" on a ledger that holds them already; both run in each round.
- "Jobs: the newest 50" is \`GET /api/jobs?limit=50\` as an operator asks it, with the API key; nothing else is at work.
- Of tasks there are 50, and their list has 10 kB. The plain peer keeps it in Redis and asks for it each time. Beeline asks Redis for its version only, once for all who wait, so
  that no gateway shows an old one. Both limits are bare Fastify: the same 10 kB from its memory, and a small answer.
- "Through nginx" is the same list of the same gateway, asked of a real nginx with the configuration that ships, a line of its log for each request included; its limits are
  raised, not switched off. Either it passes each request on, or it reads the list from Redis by itself, where it asks for the version as a gateway does. Both are to be compared with
  the gateway that is asked directly, in the same round; nginx uses every processor, and its share of the CPU is told apart.
- After each run rows and open jobs are counted against the answers: exactly in the drain and at a steady pace, else but for the ${CONNECTIONS} requests
  that the end of a load cuts off. A difference stops the benchmark.

Machine:

${machine.map((line) => `- ${line}`).join('\n')}

${tables}

## Where it is short, and why

- **Drain, together, wait**: a job of Beeline that is only stored is two versions of its row (accepted, done) and the submission; a job of the others is the submission.
  Postgres takes half of the time of a drain for that and a third of the others', 8 to 12 µs for each row that is written. Small groups are dear: each statement, each call to the system and each wake-up of a process costs
  as much for one job as for fifty. That is why jobs that are awaited gather, about half of them at a time: of 32 a commit carried six before, and a job cost about a third more CPU.
  A row that is read costs by its columns, times and JSON most of all: who waits is answered from eight of them instead of twenty-one. With that, and a few
  smaller savings at the same time, waiting became 15 % faster. The least, with the same two commits for each job, the same Bee-Queue and nobody's keys to check, is short of
  1.3 times the plain one, of 2.8 times BullMQ and of both latencies as well, in the median. Bee-Queue has its part in that: with a list in Redis in its place the least reached 1.35 times
  the plain one (1.33–1.54), 4.5 and 13 ms, and 2.58 times BullMQ (2.52–2.63; 3 rounds of 6 s). The drain's goals, and twice the plain one together, it reaches: there the distance is
  Beeline's own, leases, attempts and checks included.
- **Time to the row**: two synced commits follow each other, accept and finish, where the others have one. That is the promise. At 50 a second everybody sleeps when
  a submission comes: a round trip to Postgres that takes 0.1 ms on a busy machine takes 0.5 ms on an idle one, and Beeline's way has five (accept, push, read, lock,
  store), the plain one three (push, read, store), and the least four: 1.1 times the plain one is out of its reach, too.
- **Sync**: the least is short of both goals as well. What it does without are keys, limits, hooks and a logger.
- **Accept**: the least is short of all four goals as well; it fills Redis without end there, while Beeline stops at a thousand deliveries. Half of a request is Fastify itself. What Beeline adds and what it costs of the gateway: the log line 10 %, security headers 7 %, the row as JSON 6 %, its id 3 %,
  the limit by address 2 %. @fastify/helmet (12 %) was replaced by a constant.
- **Tasks**: a request that does nothing (\`/healthz\`) costs Beeline twice of what it costs bare Fastify: the log line 9 µs, security headers 4 µs, request id, hooks and limits the rest.
  The list takes 3 µs more than that, its share of asking Redis and 10 kB included; one by its id a little more. The wait for Redis, about 0.3 ms, is what it costs never to show an old list:
  the least, whose log line is put together by hand, is short of 0.9 and 0.75 of bare Fastify as well: request id, headers and log line alone, on bare Fastify, leave
  0.7 of its rate (7 rounds: headers 13 % of the rate, the line 14 to 18 %, the id 6 %).
- **The log** goes out in blocks of up to 64 KB where a process has its output to itself: each write woke a thread, which was three quarters of what a line cost while a write
  took fifteen of them (the shares of the log line in this list are from then). A sync submission and the list of tasks became 6 % faster by it, waiting 2 % (before and after by turns, medians of 9 rounds).
- **Postgres** takes a list of rows apart faster as jsonb than as json: a submission in a drain costs it 6 µs instead of 11, an accepted job 19 instead of 20.
  What is left of it is the insert, 13 µs even with the primary key as its only index.
- **Memory**: the libraries alone take 110 MB in each process before the first request (Node 41, typebox 19, Fastify 15, bee-queue 13, ioredis 11, pg 5, others 6).
  The least, with Fastify, pg, ioredis, bee-queue and typebox alone and under the same load, holds a quarter more than the plain one: what is to be reached is out of its reach.
- Tried without gain: two groups of accepts in flight, a pause of 1 ms or of one turn of the event loop between two groups, 4,000 deliveries that wait in Redis
  instead of 1,000 (smaller ones: a drain is a quarter slower), a smaller young generation of the heap (35 MB less for the two processes together: far from enough),
  the next group sent to Postgres before the last one is answered, commands to Redis gathered into one call to the system, jobs that are only stored read without a lock
  and kept by one statement (a drain gains 5 %, together loses 8 %), log lines put together by hand (4 % of a sync submission gained), requests without a logger
  of their own, awaited jobs that start
  when those before them have ended, two gateway processes on two cores (sync a seventh slower, waiting half as fast), Node's large pages, a larger young generation,
  V8's other compilers and fewer threads for its garbage (--always-sparkplug, --maglev, --no-parallel-scavenge, --no-lazy-feedback-allocation),
  answers of one turn of the event loop written together at its end, plans that do not know their parameters forced upon Postgres. Not done: results
  told through Redis along with the end of a job (waiting costs about a tenth less); Redis carries ids only.

## Run it

\`make bench\` needs Linux, Redis, and uses wrk and pgbench when they are on PATH (without wrk autocannon makes the load; without pgbench its limits are left out; without nginx, or its modules for Redis, what goes through it).
In the environment: \`ROUNDS\` (3), \`SECONDS\` (8), \`JOBS\` (40000), \`ONLY=${Object.keys(works).join(',')}\`, \`SIDES=${Object.keys(sides).join(',')}\`,
\`PROFILE=folder\` for CPU profiles of Beeline's processes there and its dearest statements on the screen. A run with \`ONLY\` or \`SIDES\` prints its tables and leaves this page alone.
`
}

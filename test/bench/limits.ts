/** What the same machine can do at best, measured in the same rounds. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '../../infra/local/ports.js'
import { startProcess } from './bench-process.js'
import { submission } from './contact-form.js'
import type { Load } from './load.js'
import type { Servers } from './servers.js'
import { plain } from './sides.js'
import { makeDatabase } from './stage.js'
import { TASKS } from './task-list.js'

export interface Limit {
  title: string
  unit: string
  measure(servers: Servers, load: Load, seconds: number): Promise<number>
}

const run = promisify(execFile)
const BATCH = 100

/** The limits that this machine can measure: those of Postgres need pgbench. */
export async function findLimits(): Promise<Record<string, Limit>> {
  const pgbench = await run('pgbench', ['--version']).catch(() => undefined)
  return { ...(pgbench && postgresLimits), ...fastifyLimits }
}

const postgresLimits: Record<string, Limit> = {
  'pgbench-single': {
    title: 'pgbench, one row an insert, 32 clients',
    unit: 'rows/s',
    measure: (servers, _load, seconds) =>
      runPgbench(servers, {
        clients: 32,
        seconds,
        script: `insert into submissions (form, mode, data) values ('contact', 'sync', '${DATA}');`
      })
  },
  'pgbench-unnest': {
    title: `pgbench, ${BATCH} rows an insert (unnest), 1 client`,
    unit: 'rows/s',
    async measure(servers, _load, seconds) {
      const script = `insert into submissions (form, mode, data)
  select 'contact', 'async', item from unnest(array_fill('${DATA}'::jsonb, array[${BATCH}])) as item;`
      return BATCH * (await runPgbench(servers, { clients: 1, seconds, script }))
    }
  }
}

const fastifyLimits: Record<string, Limit> = {
  'static-fastify': {
    title: 'Fastify, a static JSON answer',
    unit: 'requests/s',
    measure: (servers, load, seconds) => runStatic(servers, load, { path: '/', seconds })
  },
  'static-list': {
    title: `Fastify, the list of ${TASKS} tasks from its memory`,
    unit: 'requests/s',
    measure: (servers, load, seconds) => runStatic(servers, load, { path: '/tasks', seconds })
  }
}

async function runStatic(
  { folder }: Servers,
  load: Load,
  { path, seconds }: { path: string; seconds: number }
): Promise<number> {
  const port = await findFreePort()
  const server = await startProcess({
    script: 'test/bench/peers/static/server.js',
    environment: { PORT: String(port) },
    log: join(folder, 'static.log'),
    ready: /^ready$/m,
    profile: undefined
  })
  try {
    const url = `http://127.0.0.1:${port}${path}`
    await load.run(url, 1)
    const { answered, seconds: taken } = await load.run(url, seconds)
    return answered / taken
  } finally {
    await server.stop()
  }
}

// pgbench would take a colon before a word for one of its variables
const DATA = JSON.stringify(submission).replaceAll('":', '": ')

async function runPgbench(
  servers: Servers,
  { clients, seconds, script }: { clients: number; seconds: number; script: string }
): Promise<number> {
  const url = await makeDatabase('plain', plain, servers)
  const file = join(servers.folder, 'pgbench.sql')
  await writeFile(file, script)
  const args = ['-n', '-M', 'prepared', '-f', file, '-c', String(clients), '-T', String(seconds), url]
  const { stdout } = await run('pgbench', args)
  const [, rate] = stdout.match(/^tps = ([\d.]+)/m) ?? []
  if (!rate) throw new Error(`pgbench did not say how fast it was:\n${stdout}`)
  return Number(rate)
}

/** The place of one run: a fresh database, an empty Redis, the side's processes. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { findFreePort } from '../../infra/local/ports.js'
import { type BenchProcess, startProcess } from './bench-process.js'
import type { Cpu } from './cpu.js'
import { type Front, startFront, type TasksSource } from './front.js'
import { readCpu, readMemory } from './process-stat.js'
import type { Servers } from './servers.js'
import { count, type Side } from './sides.js'

export type Service = 'gateway' | 'consumer'

export interface Stage {
  side: Side
  database: pg.Client
  /** Its address. */
  databaseUrl: string
  start(service: Service): Promise<void>
  /** Puts nginx in front of the gateway. */
  startFront(source: TasksSource): Promise<void>
  /** Stops a service, if it runs, as its supervisor would. */
  stop(service: Service): Promise<void>
  /** Address of the gateway, or of nginx in front of it. */
  url(path: string): string
  countRows(): Promise<number>
  countOpen(): Promise<number>
  /** CPU seconds used so far. */
  readCpu(): Promise<Cpu>
  /** Memory of the services that run, in MB. */
  readMemory(): Promise<number>
  close(): Promise<void>
}

interface StageOptions {
  name: string
  side: Side
  servers: Servers
  profile: string | undefined
}

export async function setStage({ name, side, servers, profile }: StageOptions): Promise<Stage> {
  const { redis, redisUrl, postgresPid, redisPid, folder } = servers
  const url = await makeDatabase(name, side, servers)
  const database = new pg.Client(url)
  database.on('error', () => {}) // when Postgres ends first, the statement under way says so
  await database.connect()
  const [port, consumerPort] = await Promise.all([findFreePort(), findFreePort()])
  const gateway = `http://127.0.0.1:${port}`
  const environment = side.environment({ port, consumerPort, databaseUrl: url, redisUrl })
  const running = new Map<Service, BenchProcess>()
  let front: Front | undefined
  if (profile) await mkdir(profile, { recursive: true })
  const pidOf = (service: Service) => running.get(service)?.pid

  const stop = async (service: Service) => {
    await running.get(service)?.stop()
    running.delete(service)
  }
  return {
    side,
    database,
    databaseUrl: url,
    async start(service) {
      const log = join(folder, `${name}-${service}.log`)
      running.set(service, await startProcess({ script: side[service], environment, log, ready: side.ready, profile }))
    },
    async startFront(source) {
      front = await startFront({ source, gateway, redisUrl, dir: join(folder, `${name}-nginx`) })
    },
    stop,
    url: (path) => `${front?.url ?? gateway}${path}`,
    countRows: () => count(database, 'select count(*)::int as n from submissions'),
    countOpen: () => side.countOpen({ database, redis }),
    readCpu: () =>
      readCpu({
        nginx: front?.pid,
        gateway: pidOf('gateway'),
        consumer: pidOf('consumer'),
        postgres: postgresPid,
        redis: redisPid
      }),
    async readMemory() {
      const held = await Promise.all([...running.values()].map(({ pid }) => readMemory(pid)))
      return held.reduce((sum, part) => sum + part, 0)
    },
    async close() {
      await front?.stop()
      await stop('gateway')
      await stop('consumer')
      await database.end()
    }
  }
}

/** A fresh database with the side's tables, in servers at rest. Answers its address. */
export async function makeDatabase(name: string, side: Side, servers: Servers): Promise<string> {
  const { admin, databaseUrl } = servers
  await admin.query('drop database if exists bench_run')
  const template = `bench_${name}`
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [template])
  if (!rowCount) {
    await admin.query(`create database "${template}"`)
    const database = new pg.Client(databaseUrl(template))
    await database.connect()
    await side.migrate(database, databaseUrl(template))
    await database.end()
  }
  await admin.query(`create database bench_run template "${template}"`)
  await servers.rest()
  return databaseUrl('bench_run')
}

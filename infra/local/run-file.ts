/** DATA_DIR/run.json: what runs now, for `make down`, `make ps` and every command that needs the databases. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment } from './env-file.js'
import { isProcess } from './process-list.js'

/** Where a child answers. */
export interface Addresses {
  url: string
  /** Instead, once there is a certificate. */
  httpsUrl?: string
}

export interface RunFile {
  /** Of the supervisor. */
  pid: number
  /** Whole stack, or Postgres and Redis alone. */
  mode: 'up' | 'deps'
  startedAt: string
  /** Time that its orderly stop may take, in ms. */
  stopMs: number
  /** Build and settings that it was started with: when they change, `make up` starts it anew. */
  fingerprint: string
  /** Children by name. */
  services: Record<string, { pid: number } & Addresses>
  /** What a command needs to reach the same databases. Holds passwords: the file is for its owner only. */
  environment: Environment
}

/** Command line of what writes this file. */
export const SUPERVISOR = /infra\/local\/(start|dev)\.js/

const fileIn = (dataDir: string) => join(dataDir, 'run.json')

/** What runs in this folder; undefined when its supervisor is gone. */
export async function readRunFile(dataDir: string): Promise<RunFile | undefined> {
  const text = await readFile(fileIn(dataDir), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const run: RunFile = JSON.parse(text) // written whole, by rename, by writeRunFile
  return (await isProcess(run.pid, SUPERVISOR)) ? run : undefined
}

export async function writeRunFile(dataDir: string, run: RunFile): Promise<void> {
  const file = fileIn(dataDir)
  await writeFile(`${file}.new`, JSON.stringify(run, null, 2), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

export async function removeRunFile(dataDir: string): Promise<void> {
  await rm(fileIn(dataDir), { force: true })
}

/** A whole local run under one roof: servers, services, their notes in DATA_DIR, and the orderly stop. */
import { chmod, mkdir } from 'node:fs/promises'
import { type Environment, makeSecrets } from './env-file.js'
import { fingerprintOf } from './fingerprint.js'
import type { KeptService } from './keep-alive.js'
import { endOrphans, openLifeline } from './lifeline.js'
import { isPortFree } from './ports.js'
import { type Addresses, type RunFile, readRunFile, removeRunFile, writeRunFile } from './run-file.js'
import { STOP_MS } from './server-process.js'
import { startServers } from './servers.js'
import { serviceStopMs, startServices } from './services.js'
import { onlySettings, readSettings, SECRETS } from './settings.js'

export interface StackOptions {
  mode: RunFile['mode']
  say: (line: string) => void
  /** Gives up the start. */
  signal: AbortSignal
  /** Each line of the services' logs. */
  onLine?: (line: string) => void
}

export interface Stack {
  /** All variables that lead to what runs. */
  environment: Environment
  /** Addresses of what answers HTTP, when it is part of it. */
  urls: { gateway?: string; consumer?: string; nginx?: string }
  stop(): Promise<void>
}

/** Together what stands in one line. nginx lets nobody in, while the gateway answers those who wait. */
const STOP_ORDER = [['nginx', 'gateway'], ['consumer'], ['redis'], ['postgres']]

/** Time that the whole stop may take, in ms: gateway and consumer, then Redis and Postgres, and some for what lies between. */
export const runStopMs = (graceMs: number) => 2 * serviceStopMs(graceMs) + 2 * STOP_MS + 10_000

/** Starts everything, or stops what was started and fails. */
export async function startStack({ mode, say, signal, onLine = () => {} }: StackOptions): Promise<Stack> {
  const { dataDir, host, port } = await readSettings()
  if (await readRunFile(dataDir)) throw new Error(`already running in ${dataDir}: stop it with make down`)
  await endOrphans(dataDir) // of a supervisor that was killed
  if (mode === 'up' && port !== 0 && !(await isPortFree(port, host))) {
    throw new Error(`port ${port} on ${host} is taken: choose another one with PORT=${port + 1}, or stop what uses it`)
  }
  if (mode === 'up' && process.getuid?.() === 0) {
    say('warning: gateway and consumer run as root here; where others reach them, start them as an ordinary user')
  }
  await makeDataFolder(dataDir)
  for (const line of await makeSecrets(SECRETS)) say(line)
  const settings = await readSettings()

  const lifeline = openLifeline(dataDir)
  const running = new Map<string, { service: KeptService } & Addresses>()
  const run: RunFile = {
    pid: process.pid,
    mode,
    startedAt: new Date().toISOString(),
    stopMs: runStopMs(settings.graceMs),
    fingerprint: await fingerprintOf(settings),
    services: {},
    environment: {}
  }
  const note = async () => {
    const entries = [...running].map(([name, { service, ...rest }]) => [name, { pid: service.pid, ...rest }] as const)
    await writeRunFile(dataDir, { ...run, services: Object.fromEntries(entries) })
  }
  const stop = async () => {
    for (const names of STOP_ORDER) await Promise.all(names.map((name) => running.get(name)?.service.stop()))
    lifeline.close()
    await removeRunFile(dataDir)
  }

  const options = {
    settings,
    lifeline,
    say,
    signal,
    onService: (service: KeptService, url: string, httpsUrl?: string) => {
      running.set(service.name, { service, url, ...(httpsUrl && { httpsUrl }) })
      say(`${service.name.padEnd(8)} ${url}`)
    },
    onRestart: () => void note().catch((error) => say(`run.json could not be written: ${error.message}`))
  }
  try {
    await note()
    const environment = await startServers(options)
    run.environment = onlySettings(environment)
    const urls = mode === 'up' ? await startServices({ ...options, environment, onLine }) : {}
    await note()
    return { environment, urls, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function makeDataFolder(dataDir: string): Promise<void> {
  const created = await mkdir(dataDir, { recursive: true })
  // the user that runs Postgres for root must get through, whatever the umask
  if (created && process.getuid?.() === 0) await chmod(dataDir, 0o755)
}

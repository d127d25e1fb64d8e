/** Servers of the user's own, which a local run does not start. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '#schema/config'
import { readDatabaseUrls } from '../postgres/urls.js'
import type { Environment } from './env-file.js'
import type { ServersOptions } from './servers.js'

interface GivenServer {
  /** As it was written. */
  setting: string
  host: string
  port: number
}

interface Awaiting extends Pick<ServersOptions, 'say' | 'signal'> {
  settings: Pick<ServersOptions['settings'], 'given' | 'environment'>
  /** Time that they get to start, in ms. */
  patience?: number
}

const PATIENCE_MS = 30_000
const PAUSE_MS = 500
const ATTEMPT_MS = 2_000

/** Waits until they take connections. @throws Error with a line for each that does not, which names its setting */
export async function awaitGivenServers({ settings, say, signal, patience = PATIENCE_MS }: Awaiting): Promise<void> {
  const until = Date.now() + patience
  const silent = async ({ setting, host, port }: GivenServer) => {
    for (let first = true; !(await answers(host, port)); first = false) {
      signal.throwIfAborted()
      const address = `${host}:${port}`
      if (Date.now() >= until) return [`${setting}: nothing answers at ${address}; start it, or take the setting out`]
      if (first) say(`${setting}: waiting for ${address}`)
      await sleep(PAUSE_MS)
    }
    return []
  }
  const faults = (await Promise.all(findGivenServers(settings).map(silent))).flat()
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

function findGivenServers({ given, environment }: Awaiting['settings']): GivenServer[] {
  const servers: GivenServer[] = []
  const add = (setting: string, url: string, usualPort: number) => {
    const { hostname, port } = new URL(url)
    // a socket file has no host
    if (hostname) servers.push({ setting, host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usualPort) })
  }
  const named = (name: string, other: string) => (environment[name] ? name : other)
  if (given.postgres) {
    const { appUrl, ownerUrl } = readDatabaseUrls(environment)
    add(named('DATABASE_URL', 'POSTGRESQL_HOST'), appUrl, 5432)
    if (new URL(ownerUrl).host !== new URL(appUrl).host) add('DATABASE_OWNER_URL', ownerUrl, 5432)
  }
  if (given.redis) add(named('REDIS_URL', 'REDIS_HOST'), redisUrlOf(environment), 6379)
  return servers
}

// by whatever names it was set
const redisUrlOf = (environment: Environment) =>
  readConfig({ DATABASE_URL: 'postgres://not-needed/beeline', ...environment }).REDIS_URL

async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ATTEMPT_MS) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

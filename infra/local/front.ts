/** nginx of a local run, in front of the gateway: where it is installed. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '#schema/config'
import type { Environment } from './env-file.js'
import { keepAlive } from './keep-alive.js'
import { openLogFile } from './log-files.js'
import { findNginx, startNginx } from './nginx.js'
import { choosePort, isPortFree } from './ports.js'
import { findServerUser } from './postgres-binaries.js'
import { serversFolder } from './servers.js'
import type { ServicesOptions } from './services.js'
import { onlyNginxSettings } from './settings.js'
import { findCertificate, tlsFolder } from './tls.js'

/** Ports that need no rights. */
const HTTP_PORT = 8080
const HTTPS_PORT = 8443

/**
 * The address from which nginx asks a gateway that listens on this host: the one whose word on where a request comes from the
 * gateway may believe.
 */
export const proxyOf = (host: string) => (['0.0.0.0', '::', 'localhost'].includes(host) ? 'loopback' : host)

/** Where nginx may read the list of tasks, when it is asked to: it knows no passwords, and one database. */
function redisOf(environment: Environment): Environment {
  if (environment.TASKS_SOURCE !== 'redis') return {}
  const { REDIS_URL } = readConfig(environment) // by whatever names it was set
  const { protocol, password, pathname, hostname, port } = new URL(REDIS_URL)
  if (protocol !== 'redis:' || password || !/^\/?0?$/.test(pathname))
    throw new Error('TASKS_SOURCE=redis needs a REDIS_URL such as redis://127.0.0.1:6379, without a password')
  return { TASKS_REDIS: `${hostname}:${port || 6379}` }
}

/** Starts it and answers where it listens; says so when it is not there. The gateway answers without it, too. */
export async function startFront(options: ServicesOptions, gateway: string): Promise<string | undefined> {
  const { settings, environment, lifeline, say, signal, onService, onRestart } = options
  const { dataDir, host } = settings
  const program = await findNginx()
  if (!program) return void say('nginx is not installed here: the gateway answers without it')
  await refuseTaken(host, { HTTP_PORT: settings.httpPort, HTTPS_PORT: settings.httpsPort })
  const port = settings.httpPort ?? (await choosePort(dataDir, 'nginx', HTTP_PORT, host))
  const httpsPort = settings.httpsPort ?? (await choosePort(dataDir, 'nginx-tls', HTTPS_PORT, host))
  const folder = await serversFolder(dataDir, await findServerUser())
  await mkdir(tlsFolder(folder), { recursive: true })
  const accessLog = join(dataDir, 'log', 'nginx-access.log')
  await openLogFile(dataDir, 'nginx-access') // puts one aside that has grown large
  const onLine = await openLogFile(dataDir, 'nginx')
  const service = await keepAlive({
    name: 'nginx',
    launch: (abort) =>
      startNginx({
        ...{ program, accessLog, host, port, httpsPort, onLine, gateways: [gateway] },
        dir: join(folder, 'nginx'),
        environment: { ...onlyNginxSettings(environment), ...redisOf(environment), TLS_DIR: tlsFolder(folder) },
        onStart: lifeline.add,
        signal: abort
      }),
    say,
    signal,
    onRestart
  })
  const name = host.includes(':') ? `[${host}]` : host
  const httpsUrl = `https://${name}:${httpsPort}`
  const url = (await findCertificate(folder)) ? httpsUrl : `http://${name}:${port}`
  onService(service, url, httpsUrl)
  return url
}

/** Time that whoever was just stopped gets to leave its port, in ms. */
const LEAVING_MS = 1_000

/** @throws Error when something else listens on a port that was asked for */
async function refuseTaken(host: string, wanted: Record<string, number | undefined>): Promise<void> {
  for (const [name, port] of Object.entries(wanted)) {
    if (port === undefined || (await isPortFree(port, host))) continue
    await sleep(LEAVING_MS)
    if (await isPortFree(port, host)) continue
    throw new Error(
      `port ${port} on ${host} is taken: choose another one with ${name}=${port + 1}, or stop what uses it`
    )
  }
}

/** The real nginx with the project's configuration, on free ports, ended with the test. */
import { existsSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { findNginx, startNginx as launchNginx } from '../../infra/local/nginx.js'
import { findFreePort } from '../../infra/local/ports.js'
import { makeTemporaryFolder } from './postgres-template.js'
import type { Environment } from './processes.js'
import type { Scope } from './services.js'
import { testLifeline } from './test-lifeline.js'

export interface Nginx {
  url: string
  httpsUrl: string
  pid: number
  /** Folder of certificates and challenges. */
  tlsDir: string
  /** What it wrote to its error log. */
  errors: string[]
  /** The access log, line by line. */
  accesses(): Promise<Record<string, unknown>[]>
  stop(): Promise<void>
}

/** Why tests with nginx are skipped, if they are. `make test` installs it. */
export const withoutNginx = (await findNginx()) ? false : 'nginx is missing'

/** Why tests that need nginx to ask Redis are skipped, if they are. */
export const withoutRedisModule =
  withoutNginx ||
  (existsSync('/usr/share/lua/5.1/nginx/redis.lua') ? false : 'the modules of nginx for Redis are missing')

export interface NginxSettings {
  /** Addresses of the gateways. */
  gateways: string[]
  host?: string
  env?: Environment
  tlsDir?: string
}

const PLENTY = { REQUESTS_PER_SECOND: '100000', CONNECTIONS_PER_ADDRESS: '10000' }

export async function startNginx(
  t: Scope,
  { gateways, host = '127.0.0.1', env = {}, tlsDir }: NginxSettings
): Promise<Nginx> {
  const program = await findNginx()
  if (!program) throw new Error('no nginx found: `make test` installs it')
  const dir = await makeTemporaryFolder(undefined)
  const [port, httpsPort] = [await findFreePort(), await findFreePort()]
  const errors: string[] = []
  // a clone may lie in any folder
  const accessLog = join(dir, 'an access|log & more')
  const tls = tlsDir ?? join(dir, 'its tls|folder & more')
  const server = await launchNginx({
    ...{ program, dir, accessLog, host, port, httpsPort, gateways },
    environment: { ...PLENTY, TLS_DIR: tls, ...env },
    onLine: (line) => void errors.push(line),
    onStart: testLifeline().add
  })
  server.hold(false)
  t.teardown(async () => {
    await server.stop()
    await rm(dir, { recursive: true, force: true })
    if (t.passing?.() === false) process.stderr.write(`# nginx said:\n${errors.slice(-30).join('\n')}\n`)
  })
  return {
    url: `http://${host}:${port}`,
    httpsUrl: `https://${host}:${httpsPort}`,
    pid: server.pid,
    tlsDir: tls,
    errors,
    accesses: async () => {
      if (!(await stat(accessLog).catch(() => undefined))) return []
      const text = await readFile(accessLog, 'utf8')
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    },
    stop: server.stop
  }
}

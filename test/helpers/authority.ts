/** A certificate authority of the test's own (RFC 8555): Debian's pebble, which finds every name on this machine. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort, isPortFree } from '../../infra/local/ports.js'
import { findProgram } from '../../infra/local/programs.js'
import { waitForExit } from '../../infra/local/server-process.js'
import { eventually } from './eventually.js'
import type { Scope } from './services.js'
import { testLifeline } from './test-lifeline.js'

const run = promisify(execFile)

export interface Authority {
  /** Its directory, for ACME_SERVER. */
  directory: string
  /** File that vouches for the authority itself. */
  ca: string
}

/** Why tests with an authority are skipped, if they are. */
export const withoutAuthority =
  (await findProgram(['pebble'])) && (await findProgram(['certbot'])) ? false : 'pebble or certbot is missing'

/** `httpPort` is where it asks a host whether it is the one it says; it listens at `host`, and finds every name on this machine. */
export async function startAuthority(
  t: Scope,
  folder: string,
  { httpPort, host = '127.0.0.1' }: { httpPort: number; host?: string }
): Promise<Authority> {
  const [port, management, dns, dnsManagement, tls] = await Promise.all(Array.from({ length: 5 }, () => findFreePort()))
  const [ca, key] = [join(folder, 'authority.pem'), join(folder, 'authority.key')]
  const self = [
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=authority',
    '-addext',
    `subjectAltName=IP:${host}`
  ]
  await run('openssl', ['req', ...self, '-keyout', key, '-out', ca])
  const config = {
    pebble: {
      listenAddress: `${host}:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: ca,
      privateKey: key,
      httpPort,
      tlsPort: tls,
      ocspResponderURL: ''
    }
  }
  const file = join(folder, 'pebble.json')
  await writeFile(file, JSON.stringify(config))
  start(t, 'pebble-challtestsrv', [
    ...['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-dns01', `127.0.0.1:${dns}`],
    ...['-management', `127.0.0.1:${dnsManagement}`, '-http01', '', '-https01', '', '-tlsalpn01', '']
  ])
  start(t, 'pebble', ['-config', file, '-dnsserver', `127.0.0.1:${dns}`])
  const directory = `https://${host}:${port}/dir`
  await eventually(async () => assert.ok(!(await isPortFree(port ?? 0, host))))
  return { directory, ca }
}

function start(t: Scope, program: string, args: string[]): void {
  const child = spawn(program, args, {
    stdio: 'ignore',
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' }
  })
  const exited = waitForExit(child)
  if (child.pid !== undefined) testLifeline().add(child.pid, exited)
  child.unref()
  t.teardown(() => {
    child.ref()
    child.kill('SIGKILL')
    return exited
  })
}

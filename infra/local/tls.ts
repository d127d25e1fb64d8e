/** Makes a self-signed certificate for nginx: `node build/infra/local/tls.js`. */
import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { command } from '../postgres/command.js'
import { findServerUser } from './postgres-binaries.js'
import { type Addresses, readRunFile } from './run-file.js'
import { serversFolder } from './servers.js'
import { ROOT, readSettings } from './settings.js'

/** Certificates of a local run. */
export const tlsFolder = (folder: string) => join(folder, 'tls')

/** Whether nginx has one to use. */
export async function findCertificate(folder: string): Promise<boolean> {
  const found = ['live/beeline', 'self-signed'].map((name) => access(join(tlsFolder(folder), name, 'privkey.pem')))
  return (await Promise.allSettled(found)).some(({ status }) => status === 'fulfilled')
}

/** Where a child answers by now: nginx takes a certificate while it runs. */
export async function addressOf(dataDir: string, { url, httpsUrl }: Addresses): Promise<string> {
  if (!httpsUrl) return url
  const folder = await serversFolder(dataDir, await findServerUser())
  return (await findCertificate(folder)) ? httpsUrl : url
}

if (process.argv[1] === import.meta.filename) {
  await command('tls', async (say) => {
    const { dataDir, environment } = await readSettings()
    const folder = await serversFolder(dataDir, await findServerUser())
    const script = join(ROOT, 'infra/nginx/self-signed.sh')
    const env = { ...process.env, TLS_DIR: tlsFolder(folder), DOMAIN: environment.DOMAIN }
    const { stdout } = await promisify(execFile)('sh', [script], { env })
    say(stdout.trim())
    const { nginx } = (await readRunFile(dataDir))?.services ?? {}
    say(nginx ? 'nginx takes it within seconds; make up prints the address' : 'make up starts nginx with it')
  })
}

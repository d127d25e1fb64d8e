/** Lists what runs here, and how it is: `node build/infra/local/ps.js`. */
import http from 'node:http'
import https from 'node:https'
import { command } from '../postgres/command.js'
import { readRunFile } from './run-file.js'
import { readSettings } from './settings.js'
import { addressOf } from './tls.js'

await command('ps', async (say) => {
  const { dataDir } = await readSettings()
  const run = await readRunFile(dataDir)
  if (!run) return say('nothing is running')
  say(`supervisor ${run.pid}, started ${run.startedAt}, data in ${dataDir}`)
  const rows = await Promise.all(
    Object.entries(run.services).map(async ([name, service]) =>
      describe(name, service.pid, await addressOf(dataDir, service))
    )
  )
  for (const row of rows) say(row)
})

async function describe(name: string, pid: number, url: string): Promise<string> {
  return `${name.padEnd(9)} ${String(pid).padEnd(8)} ${url}${url.startsWith('http') ? `  ${await healthOf(url)}` : ''}`
}

async function healthOf(url: string): Promise<string> {
  try {
    const status = await ask(`${url}/readyz`)
    // while a certificate is on its way, nginx leads to the other port
    return status === 200 || status === 301 ? 'ready' : `not ready (${status})`
  } catch {
    return 'does not answer'
  }
}

/** The status of an answer; a certificate of our own making is as good as any here. */
function ask(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { get } = url.startsWith('https') ? https : http
    const sent = get(url, { timeout: 2_000, rejectUnauthorized: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    sent.on('timeout', () => sent.destroy(new Error('it takes too long')))
    sent.on('error', reject)
  })
}

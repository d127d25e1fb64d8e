/** Lists what runs here, and how it is: `node build/infra/local/ps.js`. */
import { command } from '../postgres/command.js'
import { type RunFile, readRunFile } from './run-file.js'
import { readSettings } from './settings.js'

await command('ps', async (say) => {
  const { dataDir } = await readSettings()
  const run = await readRunFile(dataDir)
  if (!run) return say('nothing is running')
  say(`supervisor ${run.pid}, started ${run.startedAt}, data in ${dataDir}`)
  const rows = await Promise.all(Object.entries(run.services).map(([name, service]) => describe(name, service)))
  for (const row of rows) say(row)
})

async function describe(name: string, { pid, url }: RunFile['services'][string]): Promise<string> {
  return `${name.padEnd(9)} ${String(pid).padEnd(8)} ${url}${url.startsWith('http') ? `  ${await healthOf(url)}` : ''}`
}

async function healthOf(url: string): Promise<string> {
  try {
    const { ok, status } = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })
    return ok ? 'ready' : `not ready (${status})`
  } catch {
    return 'does not answer'
  }
}

/** Starts the supervisor in the background and waits until all is ready: `node build/infra/local/up.js [up|deps]`. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { command } from '../postgres/command.js'
import { stopRun } from './down.js'
import { fingerprintOf } from './fingerprint.js'
import type { Report } from './report.js'
import { type RunFile, readRunFile } from './run-file.js'
import { readSettings } from './settings.js'
import { addressOf } from './tls.js'

const mode = process.argv[2] === 'deps' ? 'deps' : 'up'

await command('up', async (say) => {
  const settings = await readSettings()
  const run = await readRunFile(settings.dataDir)
  if (run && run.fingerprint === (await fingerprintOf(settings)) && (run.mode === mode || mode === 'deps')) {
    return say(`already running:\n${await addresses(settings.dataDir, run.services)}`)
  }
  if (run) {
    say('running with an older build or other settings: starting it again')
    await stopRun(settings.dataDir, run)
  }
  const started = Date.now()
  await start(say)
  const now = await readRunFile(settings.dataDir)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  say(`ready after ${seconds} s:\n${await addresses(settings.dataDir, now?.services ?? {})}`)
  say(`logs in ${settings.dataDir}/log; make down stops it`)
})

function start(say: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'start.js'), [mode], {
      detached: true, // it outlives this command and its terminal
      stdio: ['ignore', 'ignore', 'ignore', 'ipc']
    })
    const interrupt = () => child.kill('SIGTERM')
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`the supervisor ended with ${signal ?? `code ${code}`}`)))
    child.on('message', (report: Report) => {
      if ('say' in report) say(report.say)
      else if ('failed' in report) reject(new Error(report.failed))
      else {
        child.removeAllListeners('exit')
        child.disconnect()
        child.unref()
        resolve()
      }
    })
  })
}

async function addresses(dataDir: string, services: RunFile['services']): Promise<string> {
  const lines = Object.entries(services).map(
    async ([name, service]) => `  ${name.padEnd(8)} ${await addressOf(dataDir, service)}`
  )
  return (await Promise.all(lines)).join('\n')
}

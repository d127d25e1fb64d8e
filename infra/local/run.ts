/** Runs a command with the settings of what runs here: `node build/infra/local/run.js sh -c 'echo $DATABASE_URL'`. */
import { spawn } from 'node:child_process'
import { command } from '../postgres/command.js'
import { readRunFile } from './run-file.js'
import { waitForExit } from './server-process.js'
import { DEV_PORT, readSettings } from './settings.js'

await command('run', async () => {
  const [program, ...args] = process.argv.slice(2)
  if (!program) throw new Error('name a command to run')
  const { dataDir, port, given, environment } = await readSettings()
  const run = await readRunFile(dataDir)
  if (!run && !given.postgres) throw new Error('nothing is running: start it with make up, or make deps')
  // nobody notes where a gateway listens that was started apart
  const apart = run?.mode === 'deps' ? process.env.PORT || DEV_PORT : port
  const GATEWAY_URL = run?.services.gateway?.url ?? `http://127.0.0.1:${apart}`
  const env = { ...process.env, ...environment, ...run?.environment, GATEWAY_URL }
  const child = spawn(program, args, { stdio: 'inherit', env })
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => {}) // a Ctrl-C in the terminal reaches the child, too
  const { code, signal } = await waitForExit(child)
  process.exitCode = signal ? 1 : (code ?? 1)
})

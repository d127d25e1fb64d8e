/**
 * Both services with reload on edit: the compiler watches the sources, Node watches what it writes. The gateway listens
 * on port 5000 unless PORT says otherwise. Postgres and Redis are those of `make deps`, or started here.
 */
import { join } from 'node:path'
import { command } from '../postgres/command.js'
import { allSettled } from './all-settled.js'
import { openLifeline } from './lifeline.js'
import { choosePort } from './ports.js'
import { sendTo } from './process-list.js'
import { readRunFile } from './run-file.js'
import { type ServerProcess, spawnServer } from './server-process.js'
import { DEV_PORT, ROOT, readSettings } from './settings.js'
import { startStack } from './stack.js'

// or not, when the code is broken: then Node waits for an edit
const STARTED = /Server listening at|Waiting for file changes/

process.env.PORT ||= DEV_PORT
process.env.NODE_ENV ||= 'development'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())

await command('dev', async (say) => {
  const { dataDir, host, port, consumerPort, environment } = await readSettings()
  const run = await readRunFile(dataDir)
  const stack = run ? undefined : await startStack({ mode: 'deps', say, signal: stopping.signal })
  const env = { ...environment, ...run?.environment, ...stack?.environment }
  const ports = {
    PORT: String(port),
    CONSUMER_PORT: String(consumerPort ?? (await choosePort(dataDir, 'consumer', 3001, host)))
  }
  const lifeline = openLifeline(dataDir, 'dev.pids')
  const running: ServerProcess[] = []
  const watch = async (name: string, args: string[], ready: RegExp) => {
    const server = await spawnServer({
      ...{ name, command: process.execPath, args, ready, cwd: ROOT, signal: stopping.signal },
      env: { ...process.env, ...env, ...ports },
      timeout: 120_000,
      onLine: (line) => process.stdout.write(`${line}\n`),
      // a group of its own: compiler and watcher have a process below them, and a Ctrl-C must not reach it before us
      detached: true,
      onStart: (pid, exited) => lifeline.add(-pid, exited)
    })
    running.push(server)
  }
  try {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
    const compile = [compiler, '-p', ROOT, '--watch', '--preserveWatchOutput']
    await watch('compiler', compile, /Watching for file changes/)
    const reload = (name: string) =>
      watch(name, ['--watch', '--watch-preserve-output', join(ROOT, `build/services/${name}/server.js`)], STARTED)
    await allSettled(reload('gateway'), reload('consumer'))
    say(`the gateway: http://${host}:${port}; edit a source and it reloads; Ctrl-C ends it`)
    await Promise.race([...running.map(({ exited }) => exited), untilAborted(stopping.signal)])
  } finally {
    for (const { pid } of running) sendTo(-pid, 'SIGTERM')
    await Promise.all(running.map(({ exited }) => exited))
    lifeline.close()
    await stack?.stop()
  }
})

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

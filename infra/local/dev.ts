/**
 * Both services with reload on edit: the compiler watches the sources, Node watches what it writes. The gateway listens
 * on port 5000 unless PORT says otherwise. Postgres and Redis are those of `make deps`, or started here.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { command } from '../postgres/command.js'
import type { Environment } from './env-file.js'
import { choosePort } from './ports.js'
import { sendTo } from './process-list.js'
import { readRunFile } from './run-file.js'
import { waitForExit } from './server-process.js'
import { ROOT, readSettings } from './settings.js'
import { startStack } from './stack.js'

process.env.PORT ||= '5000'
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
  const children = [
    watch([join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', ROOT, '--watch', '--preserveWatchOutput'], env),
    ...['gateway', 'consumer'].map((name) =>
      watch(['--watch', '--watch-preserve-output', join(ROOT, `build/services/${name}/server.js`)], {
        ...env,
        ...ports
      })
    )
  ]
  say(`the gateway: http://${host}:${port}; edit a source and it reloads; Ctrl-C ends it`)
  await Promise.race([...children.map(waitForExit), untilAborted(stopping.signal)])
  // each leads a group of its own: the compiler and Node's watcher have a process below them
  for (const { pid } of children) if (pid !== undefined) sendTo(-pid, 'SIGTERM')
  await Promise.all(children.map(hasEnded))
  await stack?.stop()
})

function watch(args: string[], env: Environment): ChildProcess {
  // apart from the terminal's Ctrl-C: the children are ended before their database
  return spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true
  })
}

async function hasEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await waitForExit(child)
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

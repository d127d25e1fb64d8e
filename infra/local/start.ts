/**
 * The supervisor: `npm start` in the foreground, or started by `make up` and `make deps` in the background.
 * `node build/infra/local/start.js [up|deps]`
 */
import { openLogFile } from './log-files.js'
import type { Report } from './report.js'
import { readSettings } from './settings.js'
import { type Stack, startStack } from './stack.js'

// `make up` listens while we start; without it we are in the foreground and the logs go to the standard output
const background = process.send !== undefined
const mode = process.argv[2] === 'deps' ? 'deps' : 'up'
const stopping = new AbortController()
let stack: Stack | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop())

try {
  const { dataDir } = await readSettings()
  const write = await openLogFile(dataDir, 'supervisor')
  const say = (line: string) => {
    write(`${new Date().toISOString()} ${line}`)
    if (background) report({ say: line })
    else process.stderr.write(`${line}\n`)
  }
  const onLine = background ? undefined : (line: string) => void process.stdout.write(`${line}\n`)
  stack = await startStack({ mode, say, signal: stopping.signal, ...(onLine && { onLine }) })
  report({ ready: stack.urls })
  if (stopping.signal.aborted) await stack.stop()
} catch (error) {
  const reason = stopping.signal.aborted ? 'stopped' : error instanceof Error ? error.message : String(error)
  if (background) report({ failed: reason })
  else process.stderr.write(`${reason}\n`)
  process.exitCode = 1
}
if (background) process.disconnect?.()

async function stop(): Promise<void> {
  if (stopping.signal.aborted) return
  stopping.abort()
  await stack?.stop()
}

function report(message: Report): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {}) // `make up` may be gone
}

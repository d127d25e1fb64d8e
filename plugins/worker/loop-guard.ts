/** Ends a process whose event loop is blocked for longer than two leases: from a thread, for the loop itself cannot. */
import { Worker } from 'node:worker_threads'

/** Looks without a sign of life, one a second. */
const PATIENCE = 12

/** Starts the guard; the answer stops it. */
export function guardEventLoop(): () => Promise<unknown> {
  const beats = new Int32Array(new SharedArrayBuffer(4))
  const timer = setInterval(() => Atomics.add(beats, 0, 1), 500)
  timer.unref()
  const thread = new Worker(new URL('loop-guard-thread.js', import.meta.url), {
    workerData: { beats, patience: PATIENCE }
  })
  thread.unref()
  return () => {
    clearInterval(timer)
    return thread.terminate()
  }
}

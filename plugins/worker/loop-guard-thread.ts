/** The thread of loop-guard.ts. It counts looks, not time, so that a process that was frozen as a whole is not blamed. */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

const { beats, patience } = workerData as { beats: Int32Array; patience: number }
let seen = -1
let looks = 0

setInterval(() => {
  const beat = Atomics.load(beats, 0)
  looks = beat === seen ? looks + 1 : 0
  seen = beat
  if (looks < patience) return
  const line = { level: 60, time: Date.now(), pid: process.pid, msg: 'the event loop is blocked: this process ends' }
  writeSync(2, `${JSON.stringify(line)}\n`)
  process.kill(process.pid, 'SIGKILL')
}, 1_000)

/** The thread of parser.ts: reads what strangers wrote, one task at a time. */
import { parentPort } from 'node:worker_threads'
import { extract } from './extract.js'
import type { Task } from './parser.js'
import { isAllowed } from './robots-rules.js'

parentPort?.on('message', (task: Task) => {
  parentPort?.postMessage('html' in task ? extract(task) : isAllowed(task))
})

parentPort?.postMessage('ready')

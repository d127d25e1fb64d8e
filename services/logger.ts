/** How both services log: JSON lines on stdout, in blocks. */
import pino from 'pino'
import type { Config } from '#schema/config'
import { inBlocks } from './log-blocks.js'

/** Fields of errors that repeat what was sent: to Redis its password, to Postgres what people typed. */
const PRIVATE = ['command', 'detail', 'where', 'internalQuery', 'input']

const BLOCK_BYTES = 65_536
/** What a pipe takes in one piece (pipe(7), PIPE_BUF): several processes that write to one do not cut each other's lines. */
const SHARED_BLOCK_BYTES = 4_096

/** Of this process, which has one stdout. */
let stream: ReturnType<typeof openStream> | undefined

/**
 * A process that is killed may lose its last lines; one that ends by itself writes them. Blocks are written before the work goes on: a
 * write that went on in a thread could be overtaken by the last ones of a process that ends. So whoever reads the log and stops
 * reading stops the process, as Node's own output does.
 */
function openStream(blockBytes: number) {
  const stdout = pino.destination({ dest: 1, sync: true })
  const blocks = inBlocks((text) => stdout.write(text), blockBytes)
  process.on('exit', blocks.flushSync)
  return blocks
}

export function loggerOf(service: string, { LOG_LEVEL, WEB_CONCURRENCY }: Config) {
  stream ??= openStream(WEB_CONCURRENCY > 1 ? SHARED_BLOCK_BYTES : BLOCK_BYTES)
  return {
    level: LOG_LEVEL,
    base: { service, pid: process.pid },
    redact: { paths: PRIVATE.map((field) => `err.${field}`), remove: true },
    stream
  }
}

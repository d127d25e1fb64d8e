/** How both services log: JSON lines on stdout, written behind the work. */
import pino from 'pino'
import type { Config } from '#schema/config'

/** Fields of errors that repeat what was sent: to Redis its password, to Postgres what people typed. */
const PRIVATE = ['command', 'detail', 'where', 'internalQuery', 'input']

/**
 * Lines go out in blocks, at least five times a second; a process that is killed may lose its last ones. A block is never larger than
 * what a pipe takes in one piece: several processes that write to one do not cut each other's lines.
 */
export const loggerOf = (service: string, { LOG_LEVEL }: Config) => ({
  level: LOG_LEVEL,
  base: { service, pid: process.pid },
  redact: { paths: PRIVATE.map((field) => `err.${field}`), remove: true },
  stream: pino.destination({ dest: 1, sync: false, minLength: 3_072, maxWrite: 4_096, periodicFlush: 200 })
})

/** How both services log: JSON lines on stdout. */
import type { Config } from '#schema/config'

/** Fields of errors that repeat what was sent: to Redis its password, to Postgres what people typed. */
const PRIVATE = ['command', 'detail', 'where', 'internalQuery', 'input']

export const loggerOf = (service: string, { LOG_LEVEL }: Config) => ({
  level: LOG_LEVEL,
  base: { service, pid: process.pid },
  redact: { paths: PRIVATE.map((field) => `err.${field}`), remove: true }
})

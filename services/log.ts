/** The log of a service: JSON lines on stdout, written behind the work. */
import type { FastifyBaseLogger } from 'fastify'
import pino from 'pino'

/** Lines that come while one is being written go out together; a process that is killed may lose its last ones. */
export function createLog(service: string, level: string): FastifyBaseLogger {
  return pino({ level, base: { service, pid: process.pid } }, pino.destination({ dest: 1, sync: false }))
}

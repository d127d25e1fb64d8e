import { isLocked } from '#schema/locked'

/** Whether an error says that the database was away, so that the same statement may succeed later; else an item is at fault. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code = '', severity } = error as { code?: string; severity?: string }
  // only what the server itself says carries a severity; then the code is a SQLSTATE (PostgreSQL manual, appendix A)
  if (severity) return OUTAGE_CLASSES.has(code.slice(0, 2)) || code === READ_ONLY || code === IDLE_TOO_LONG
  return SYSTEM_CODES.has(code) || CONNECTION_LOST.test(error.message)
}

/**
 * Whether a statement, or the pause between two of a transaction, took longer than it may. When Postgres answers others meanwhile,
 * the work itself is at fault.
 */
export function isSlow(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: string }
  return code === QUERY_CANCELED || code === IDLE_TOO_LONG || /^query read timeout/i.test(error.message)
}

const QUERY_CANCELED = '57014'

/** Whether Postgres says that a statement took longer than it may. It was not done. */
export function isTooSlow(error: unknown): boolean {
  const { code, severity } = error instanceof Error ? (error as { code?: string; severity?: string }) : {}
  return Boolean(severity) && code === QUERY_CANCELED
}

/** Whether a statement lost to another one: a lock that was not to be had in time, a deadlock. Alone it may come through. */
export function isPassing(error: unknown): boolean {
  const { code = '' } = error instanceof Error && 'code' in error ? { code: String(error.code) } : {}
  return isLocked(error) || code.startsWith('40')
}

/** Connection exception, refused log-in, unknown database, insufficient resources, operator intervention, system error. */
const OUTAGE_CLASSES = new Set(['08', '28', '3D', '53', '57', '58'])
const READ_ONLY = '25006'
const IDLE_TOO_LONG = '25P03'
const SYSTEM_CODES = new Set(
  'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH ENOTFOUND EAI_AGAIN ENOENT'.split(' ')
)
/** What node-postgres says of a connection that is gone, silent or could not be had; such errors have no code. */
const CONNECTION_LOST =
  /^(connection terminated|query read timeout|timeout e|client has encountered|client was closed|the server)/i

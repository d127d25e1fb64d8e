/** What can go wrong on the way out. The texts name the fault and never what was found at an address. */

export interface OutsideError extends Error {
  code: string
  /** Whether a later try may succeed. */
  passing: boolean
  /** When it may, in ms, where the other side or the breaker says so. */
  retryInMs?: number
  /** Whether the same request may be sent again at once. */
  again?: boolean
}

type More = Pick<OutsideError, 'retryInMs' | 'again'> & { cause?: unknown }

const fail = (code: string, detail: string, passing: boolean, { cause, ...more }: More = {}): OutsideError =>
  Object.assign(new Error(detail, { cause }), { code, passing }, more)

/** A fault that stays. */
export const permanent = (code: string, detail: string, more?: More) => fail(code, detail, false, more)

/** A fault that may pass. */
export const passing = (code: string, detail: string, more?: More) => fail(code, detail, true, more)

export const isOutsideError = (error: unknown): error is OutsideError =>
  error instanceof Error && 'passing' in error && 'code' in error

const TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH)/
const NOT_HTTP = /^(HPE_|UND_ERR_(HEADERS_OVERFLOW|RES_|RESPONSE)|Z_|ERR__ERROR_|ERR_BROTLI|ERR_ZLIB)/
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'ENONAME'])

/** Any error of the client, the network or a decoder as one of ours. */
export function toOutsideError(error: unknown): OutsideError {
  if (isOutsideError(error)) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (TLS.test(code)) return permanent('TLS_FAILED', 'no secure connection could be made', { cause: error })
  if (NOT_HTTP.test(code)) return passing('BROKEN_ANSWER', 'the answer could not be read', { cause: error })
  return passing('CONNECTION_FAILED', 'the connection failed', { cause: error, again: true })
}

/** What a failed look-up of a name means. */
export function toNameError(error: unknown): OutsideError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return NO_SUCH_NAME.has(code)
    ? permanent('HOST_NOT_FOUND', 'no host has this name', { cause: error })
    : passing('NAME_SERVER_FAILED', 'the name could not be looked up', { cause: error })
}

/** A whole call: hops, retries, breaker, and one time limit for all of it. */
import type { Dispatcher } from 'undici'
import { untilAborted } from './aborted.js'
import type { Breaker } from './breaker.js'
import { type Answer, exchange, type Head, type Method } from './exchange.js'
import { isOutsideError, passing, permanent } from './failures.js'
import { withRetries } from './retry.js'
import { hostOf, portOf, readTarget } from './targets.js'

export interface RequestOptions {
  /** Default GET. Only GET and HEAD are sent again after a failure, and follow redirects. */
  method?: Method
  headers?: Record<string, string>
  body?: string | Buffer
  /** Time for everything, in ms. Default 10,000. */
  timeoutMs?: number
  /** Most bytes of the body, on the wire and unpacked. Default 2 MiB. */
  maxBytes?: number
  /** Take the beginning of a longer body, instead of refusing it. Default false. */
  cut?: boolean
  /** Further tries of a safe request. Default 2. */
  retries?: number
  /** Ends the call with the signal's reason. */
  signal?: AbortSignal
  /** Sees an answer of success before its body comes; what it throws ends the call. */
  inspect?: (head: Head) => void
  /** Sees each address before it is called, the first included; what it throws ends the call. */
  allow?: (url: URL) => Promise<void>
}

export interface RequestTools {
  dispatcher: Dispatcher
  breaker: Breaker
  userAgent: string
}

export type SendRequest = (address: string | URL, options?: RequestOptions) => Promise<Answer>

const SAFE = new Set<Method>(['GET', 'HEAD'])
const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Each is checked like the first address. */
const MOST_REDIRECTS = 3

export function createRequest({ dispatcher, breaker, userAgent }: RequestTools): SendRequest {
  return async (address, options = {}) => {
    const { method = 'GET', timeoutMs = 10_000, signal: given, allow } = options
    const deadline = performance.now() + timeoutMs
    const { signal, release } = limitTime(timeoutMs, given)

    const send = (url: URL) =>
      exchange(url, {
        dispatcher,
        method,
        headers: { accept: '*/*', 'accept-encoding': 'gzip, deflate, br', ...options.headers, 'user-agent': userAgent },
        ...(options.body !== undefined && { body: options.body }),
        maxBytes: options.maxBytes ?? 2_097_152,
        cut: options.cut ?? false,
        signal,
        ...(options.inspect && { inspect: options.inspect })
      })

    const sendGuarded = (url: URL) =>
      breaker.run(
        `${hostOf(url.hostname)}:${portOf(url)}`,
        () => send(url),
        (error) => !given?.aborted && isOutsideError(error) && error.passing && error.code !== 'UPSTREAM_BUSY'
      )

    try {
      for (let url = readTarget(String(address)), hops = 0; ; hops++) {
        await untilAborted(Promise.resolve(allow?.(url)), signal)
        const retries = SAFE.has(method) ? (options.retries ?? 2) : 0
        const answer = await withRetries(() => sendGuarded(url), { retries, deadline, signal })
        const { location } = answer.headers
        if (!SAFE.has(method) || !REDIRECTS.has(answer.status) || !location) return answer
        if (hops >= MOST_REDIRECTS)
          throw permanent('TOO_MANY_REDIRECTS', `there are more than ${MOST_REDIRECTS} redirects`)
        url = readTarget(location, url)
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      release()
    }
  }
}

/** A signal that aborts with the caller's, or when the time is over. */
function limitTime(timeoutMs: number, given: AbortSignal | undefined) {
  const controller = new AbortController()
  const end = () => controller.abort(given?.reason)
  const timer = setTimeout(() => {
    controller.abort(passing('TIMED_OUT', `no whole answer came within ${timeoutMs} ms`))
  }, timeoutMs)
  if (given?.aborted) end()
  given?.addEventListener('abort', end, { once: true })
  const release = () => {
    clearTimeout(timer)
    given?.removeEventListener('abort', end)
  }
  return { signal: controller.signal, release }
}

/** One request and its answer, without redirects. */
import { type Dispatcher, request } from 'undici'
import { untilAborted } from './aborted.js'
import { type BodyLimit, readBody } from './body.js'
import { passing, toOutsideError } from './failures.js'
import { readRetryAfter } from './retry.js'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** An answer before its body. */
export interface Head {
  /** Where it came from, after redirects. */
  url: URL
  status: number
  headers: Record<string, string>
}

export interface Answer extends Head {
  /** Unpacked; empty unless the status is 2xx. */
  body: Buffer
}

export interface ExchangeOptions extends BodyLimit {
  dispatcher: Dispatcher
  method: Method
  headers: Record<string, string>
  body?: string | Buffer
  signal: AbortSignal
  /** Throws when the body need not come. */
  inspect?: (head: Head) => void
}

/** What a server says when it may do better soon; the second list is safe to ask again at once. */
const BUSY = new Set([408, 425, 429])
const AGAIN = new Set([502, 503, 504])

/** @throws passing `UPSTREAM_BUSY`, `UPSTREAM_FAILED` */
export async function exchange(url: URL, options: ExchangeOptions): Promise<Answer> {
  const { dispatcher, method, headers, body, signal, inspect } = options
  const asked = request(url, { dispatcher, method, headers, body: body ?? null, signal })
  // undici itself heeds the signal only once it is connected
  const answer = await untilAborted(asked, signal).catch(refuse)
  const head: Head = { url, status: answer.statusCode, headers: flatten(answer.headers) }
  // without a listener an error that comes after we have turned away would end the process
  answer.body.on('error', () => {})
  try {
    refuseFailure(head)
    const wanted = head.status >= 200 && head.status < 300
    if (wanted) inspect?.(head)
    if (!wanted || method === 'HEAD') return { ...head, body: Buffer.alloc(0) }
    return { ...head, body: await readBody(answer.body, head.headers, options).catch(refuse) }
  } finally {
    answer.body.destroy()
  }
}

const refuse = (error: unknown) => Promise.reject(toOutsideError(error))

function refuseFailure({ status, headers }: Head): void {
  const retryInMs = readRetryAfter(headers['retry-after'])
  const more = { again: AGAIN.has(status), ...(retryInMs !== undefined && { retryInMs }) }
  if (BUSY.has(status)) throw passing('UPSTREAM_BUSY', `the other side answered ${status}`, more)
  if (status >= 500) throw passing('UPSTREAM_FAILED', `the other side answered ${status}`, more)
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]))
}

/** Sends again what may be sent again, as long as there is time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isOutsideError } from './failures.js'

export interface RetryOptions {
  /** Further tries. */
  retries: number
  /** When all must be over, by `performance.now()`. */
  deadline: number
  signal: AbortSignal
}

/** Pause before the first further try, in ms; doubled each time, and half of it up to chance. */
const FIRST_PAUSE_MS = 200

export async function withRetries<T>(work: () => Promise<T>, { retries, deadline, signal }: RetryOptions): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (!isOutsideError(error) || !error.again || tried >= retries) throw error
      const pause = error.retryInMs ?? FIRST_PAUSE_MS * 2 ** tried * (0.5 + Math.random() / 2)
      // who asks for more patience than is left gets it from whoever called
      if (performance.now() + pause >= deadline) throw error
      await sleep(pause, undefined, { signal })
    }
  }
}

const MOST_RETRY_AFTER_MS = 3_600_000

/** The header of RFC 9110, seconds or a date, in ms: at most an hour. */
export function readRetryAfter(header: string | undefined): number | undefined {
  const text = header?.trim() ?? ''
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MOST_RETRY_AFTER_MS)
}

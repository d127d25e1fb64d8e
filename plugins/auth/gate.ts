/** Lets in so many at once; a bounded number of others wait. */
import { problem } from '#schema/problem'

export interface GateOptions {
  atOnce: number
  mostWaiting: number
}

/** The gate rejects with problem 503 `TOO_MANY_LOGINS` who would have to wait too long. */
export function createGate({ atOnce, mostWaiting }: GateOptions) {
  const waiting: (() => void)[] = []
  let running = 0

  async function enter(): Promise<void> {
    if (running < atOnce) {
      running += 1
      return
    }
    if (waiting.length >= mostWaiting) {
      throw problem(503, 'TOO_MANY_LOGINS', 'too many log in at this moment; try again soon', { retryAfter: 2 })
    }
    // whoever leaves hands over the place
    await new Promise<void>((resolve) => waiting.push(resolve))
  }

  function leave(): void {
    const next = waiting.shift()
    if (next) next()
    else running -= 1
  }

  return async <Result>(work: () => Promise<Result>): Promise<Result> => {
    await enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}

/**
 * A circuit breaker for each host: after some failures in a row nothing is sent for a while, then one trial decides.
 * States are few and die with the process. Own code: the two well-kept libraries, cockatiel and opossum, want a newer Node.
 */
import { passing } from './failures.js'

export interface BreakerOptions {
  /** Failures in a row that open it. Default 5. */
  failures?: number
  /** Time that it stays open, in ms. Default 30,000. */
  openMs?: number
  /** Time that a trial may take, in ms: the others come back when it must be over. Default 10,000, as long as a whole call. */
  trialMs?: number
  /** A monotonic clock, in ms. */
  now?: () => number
}

interface State {
  failed: number
  /** Until when nobody calls but who tries. */
  openUntil: number
}

export interface Breaker {
  /** @throws passing `BREAKER_OPEN` instead of doing the work */
  run: <T>(host: string, work: () => Promise<T>, isFailure: (error: unknown) => boolean) => Promise<T>
}

/** Hosts that are remembered; those not called for longest are forgotten. */
const MOST_HOSTS = 1_000

export function createBreaker(options: BreakerOptions = {}): Breaker {
  const { failures = 5, openMs = 30_000, trialMs = 10_000, now = () => performance.now() } = options
  const states = new Map<string, State>()

  /** Answers whether this is the one trial after the pause. */
  function enter(host: string, state: State): boolean {
    const trial = state.failed >= failures
    if (trial) {
      const left = state.openUntil - now()
      if (left > 0)
        throw passing('BREAKER_OPEN', 'this host failed too often: it is left alone for a while', {
          retryInMs: Math.max(Math.ceil(left), 1_000)
        })
      state.openUntil = now() + trialMs
    }
    // the last called is the last forgotten
    states.delete(host)
    states.set(host, state)
    const [oldest] = states.keys()
    if (states.size > MOST_HOSTS && oldest !== undefined) states.delete(oldest)
    return trial
  }

  return {
    async run(host, work, isFailure) {
      const state = states.get(host) ?? { failed: 0, openUntil: 0 }
      const trial = enter(host, state)
      try {
        const result = await work()
        state.failed = 0
        return result
      } catch (error) {
        if (isFailure(error)) {
          state.failed += 1
          state.openUntil = now() + openMs
        } else if (trial) state.openUntil = now() // it told nothing: the next one tries
        throw error
      }
    }
  }
}

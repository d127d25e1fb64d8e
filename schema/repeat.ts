/** Work that is done again and again, with a pause after each time. */

export interface Repetition {
  /** Ends it, also in the middle of the work; resolves when that is done. */
  stop: () => Promise<void>
}

/**
 * Does the work after `firstMs`, and again each time after the pause that it answered, in ms; when it answers none it was the last
 * time. The work catches its errors itself: nobody hears what it rejects with.
 */
export function repeat(firstMs: number, work: () => Promise<number | undefined>): Repetition {
  let stopped = false
  let running = Promise.resolve()
  let timer = plan(firstMs)

  function plan(ms: number) {
    return setTimeout(() => {
      running = run()
    }, ms)
  }

  async function run() {
    const pauseMs = await work()
    if (pauseMs !== undefined && !stopped) timer = plan(pauseMs)
  }

  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    }
  }
}

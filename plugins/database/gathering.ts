/** A short wait for more: many small groups cost more than few large ones, each commit and each wake-up of a process being dear. */

export interface GatheringOptions {
  /** How many are worth a start, as things are now. */
  enough: () => number
  /** Longest wait, in ms. */
  patienceMs: number
}

export function createGathering({ enough, patienceMs }: GatheringOptions) {
  const starts = new Set<() => void>()

  return {
    /** Resolves once enough are there, or patience is at its end; nothing is awaited when so many are enough. */
    untilEnough(count: number): Promise<void> | undefined {
      if (count >= enough()) return undefined
      return new Promise((resolve) => {
        const start = () => {
          clearTimeout(timer)
          starts.delete(start)
          resolve()
        }
        const timer = setTimeout(start, patienceMs)
        starts.add(start)
      })
    },

    /** One more has come, which makes so many. */
    note(count: number): void {
      if (starts.size && count >= enough()) for (const start of starts) start()
    }
  }
}

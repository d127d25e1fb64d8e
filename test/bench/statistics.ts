/** The middle and the ends of a few measured values. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** @throws Error when there is no value. */
export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const min = sorted[0]
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) throw new Error('no values to take the median of')
  const middle = sorted.length / 2
  const low = sorted[Math.ceil(middle) - 1] ?? min
  const high = sorted[Math.floor(middle)] ?? max
  return { median: (low + high) / 2, min, max }
}

/** The least value that at least `share` (0 to 1) of the values do not exceed (nearest rank). */
export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (value === undefined) throw new Error('no values to take a percentile of')
  return value
}

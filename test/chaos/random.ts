/** Chance that can be repeated: the same seed draws the same numbers. */
export interface Random {
  /** 0 up to, not including, 1. */
  next(): number
  /** A whole number from `least` up to, not including, `limit`. */
  integer(least: number, limit: number): number
  /** Whether something of this probability happens. */
  happens(probability: number): boolean
  /** One of the values, by their weights. */
  weighted<Value>(choices: readonly (readonly [weight: number, value: Value])[]): Value
}

/** The generator mulberry32: small, and good enough to choose faults. */
export function createRandom(seed: number): Random {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    integer: (least, limit) => least + Math.floor(next() * (limit - least)),
    happens: (probability) => next() < probability,
    weighted<Value>(choices: readonly (readonly [number, Value])[]): Value {
      let left = next() * choices.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of choices) {
        left -= weight
        if (left < 0) return value
      }
      throw new RangeError('nothing to choose from')
    }
  }
}

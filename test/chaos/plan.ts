/** What the clients submit, drawn from the seed: the n-th submission of a seed is always the same. */
import { createRandom } from './random.js'

export interface Plan {
  /** Its name in the log and in the row. */
  marker: string
  mode: 'sync' | 'async'
  form: string
  /** What the probe's handler does; undefined for a form of the project's own. */
  action: string | undefined
  ms: number | undefined
  key: string | undefined
  /** How many requests carry the key at the same time. */
  copies: number
  /** Whether the client follows the status page. */
  follows: boolean
}

const WAYS: [number, Pick<Plan, 'mode' | 'form'>][] = [
  [3, { mode: 'sync', form: 'contact' }],
  [3, { mode: 'async', form: 'contact' }],
  [3, { mode: 'async', form: 'probe-batch' }],
  [3, { mode: 'async', form: 'probe-stored' }],
  [2, { mode: 'async', form: 'probe' }]
]

const ACTIONS: [number, { action: string; most: number }][] = [
  [90, { action: 'store', most: 0 }],
  [30, { action: 'sleep', most: 60 }],
  [4, { action: 'once', most: 20 }],
  [2, { action: 'give-up', most: 0 }],
  [1, { action: 'sleep', most: 4_000 }]
]

/** One job in so many kills its consumer each time it runs. */
const POISON = 1_000

export function planSubmission(seed: number, n: number): Plan {
  const random = createRandom(seed * 1_000_003 + n)
  const { mode, form } = random.weighted(WAYS)
  const keyed = random.happens(0.8)
  const poison = n % POISON === POISON / 4
  const isProbe = form !== 'contact'
  const { action, most } = random.weighted(ACTIONS)
  return {
    marker: `${seed}-${n}`,
    mode: poison ? 'async' : mode,
    form: poison ? (n % (2 * POISON) < POISON ? 'probe-stored' : 'probe-brief') : form,
    action: poison ? 'kill' : isProbe ? action : undefined,
    ms: !poison && isProbe && most ? random.integer(1, most) : undefined,
    key: keyed ? `key-${seed}-${n}` : undefined,
    copies: keyed && random.happens(0.1) ? 2 : 1,
    follows: random.happens(0.05)
  }
}

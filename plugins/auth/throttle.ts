/**
 * Holds up guessing: by account and address, by address, and by account. The first attempts are free, then each must wait longer,
 * up to a bound: nobody is locked out for good. Counted in Redis, and in this process alone while Redis is away.
 */
import { createHmac } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { problem } from '#schema/problem'
import { within } from '#schema/within'
import { createBounded } from './bounded.js'
import { keyFor } from './secrets.js'

export interface ThrottleOptions {
  redis: FastifyInstance['redis']
  /** Prefix of the keys. */
  prefix: string
  secret: string
}

export interface Guess {
  account: string
  /** Keyed hash of the address. */
  address: string
}

interface Bucket {
  name: string
  /** Attempts without a pause. */
  free: number
  /** Longest pause between two attempts, in ms. */
  mostMs: number
}

/** A Redis that takes longer is away, in ms. */
const LATE_MS = 500
/** How long attempts are remembered, in ms. */
const KEEP_MS = 3_600_000
const MOST = 100_000

/** Takes one attempt from all buckets, unless one of them must wait: answers how long, in ms. Pauses double from a second on. */
const TAKE = `
  local time = redis.call('time')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local wait = 0
  for _, key in ipairs(KEYS) do
    wait = math.max(wait, tonumber(redis.call('hget', key, 'next') or 0) - now)
  end
  if wait > 0 then return wait end
  for i, key in ipairs(KEYS) do
    local over = redis.call('hincrby', key, 'attempts', 1) - ARGV[2 * i - 1]
    if over > 0 then redis.call('hset', key, 'next', now + math.min(1000 * 2 ^ (over - 1), ARGV[2 * i])) end
    redis.call('pexpire', key, ${KEEP_MS})
  end
  return 0`

/** Gives one attempt back to each bucket, never more than there are: else log-ins would pay for guesses. */
const FORGIVE = `
  for _, key in ipairs(KEYS) do
    if tonumber(redis.call('hget', key, 'attempts') or 0) > 0 then
      redis.call('hincrby', key, 'attempts', -1)
      redis.call('hdel', key, 'next')
    end
  end`

export type Throttle = ReturnType<typeof createThrottle>

export function createThrottle({ redis, prefix, secret }: ThrottleOptions) {
  const key = keyFor('throttle', secret)
  const local = createLocal()
  // neither names nor addresses are kept
  const hash = (text: string) => createHmac('sha256', key).update(text).digest('base64url').slice(0, 22)

  const both = ({ account, address }: Guess): Bucket[] => [
    { name: hash(`both ${account} ${address}`), free: 5, mostMs: 300_000 },
    { name: hash(`address ${address}`), free: 30, mostMs: 60_000 }
  ]
  const byAccount = ({ account }: Guess): Bucket[] => [{ name: hash(`account ${account}`), free: 30, mostMs: 30_000 }]

  /** Rejects when Redis is away. */
  function run(script: string, buckets: Bucket[], values: number[] = []): Promise<unknown> {
    const keys = buckets.map(({ name }) => prefix + name)
    return within(LATE_MS, redis.eval(script, keys.length, ...keys, ...values))
  }

  async function take(buckets: Bucket[]): Promise<void> {
    const bounds = buckets.flatMap(({ free, mostMs }) => [free, mostMs])
    const waitMs = Number(await run(TAKE, buckets, bounds).catch(() => local.take(buckets)))
    if (waitMs <= 0) return
    throw problem(429, 'TOO_MANY_ATTEMPTS', 'too many attempts; wait a little before the next', {
      retryAfter: Math.ceil(waitMs / 1_000)
    })
  }

  return {
    /** Before a guess is looked at. @throws problem 429 `TOO_MANY_ATTEMPTS` */
    take: (guess: Guess) => take(both(guess)),

    /** For addresses from which nobody has logged in to the account before: who guesses from many holds up none of the others. */
    takeFromStranger: (guess: Guess) => take(byAccount(guess)),

    /** It was no guess: gives back what was taken. */
    async forgive(guess: Guess, { stranger = false } = {}): Promise<void> {
      const buckets = [...both(guess), ...(stranger ? byAccount(guess) : [])]
      await run(FORGIVE, buckets).catch(() => local.forgive(buckets))
    }
  }
}

/** The same in this process. */
function createLocal() {
  const states = createBounded<{ attempts: number; next: number; until: number }>(MOST)
  const find = (name: string, now: number) => {
    const state = states.get(name)
    return state && now < state.until ? state : { attempts: 0, next: 0, until: 0 }
  }
  return {
    take(buckets: Bucket[]): number {
      const now = performance.now()
      const waitMs = Math.max(...buckets.map(({ name }) => find(name, now).next - now))
      if (waitMs > 0) return waitMs
      for (const { name, free, mostMs } of buckets) {
        const attempts = find(name, now).attempts + 1
        const pause = attempts > free ? Math.min(1_000 * 2 ** (attempts - free - 1), mostMs) : 0
        states.set(name, { attempts, next: now + pause, until: now + KEEP_MS })
      }
      return 0
    },
    forgive(buckets: Bucket[]): void {
      for (const { name } of buckets) {
        const state = states.get(name)
        if (state) states.set(name, { ...state, attempts: Math.max(0, state.attempts - 1), next: 0 })
      }
    }
  }
}

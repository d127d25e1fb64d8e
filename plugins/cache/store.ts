/** What Redis keeps of a key: its bytes, beside them the version that tells whether they still hold, and a lock for who loads. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Redis } from 'ioredis'
import { within } from '#schema/within'

/** A version is the run of Redis that it was made in, and a random part: what a restart brings back counts for nothing. */
const VERSION_TTL_MS = 86_400_000
/** Time that others wait for who loads. */
export const LOCK_MS = 1_000
/** A Redis that takes longer to be read is passed over, and left alone for a while. */
const READ_LIMIT_MS = 250
const REST_MS = 1_000

/** KEYS bytes, version, lock; ARGV run, known version, fresh token, the life of a version and of a lock in ms. */
const LOOK = `
local version = redis.call('get', KEYS[2])
if not version or string.sub(version, 1, #ARGV[1]) ~= ARGV[1] then
  version = ARGV[1] .. ARGV[3]
  redis.call('set', KEYS[2], version, 'px', ARGV[4])
  redis.call('del', KEYS[1], KEYS[3])
end
if redis.call('exists', KEYS[1]) == 1 then
  if version == ARGV[2] then return {version} end
  return {version, redis.call('get', KEYS[1])}
end
local locked = redis.call('set', KEYS[3], ARGV[3], 'nx', 'px', ARGV[5])
return {version, false, locked and 1 or 0}`

/** KEYS bytes, version, lock; ARGV version at the look, new version, bytes, their life and that of a version in ms, token. */
const KEEP = `
if redis.call('get', KEYS[3]) == ARGV[6] then redis.call('del', KEYS[3]) end
if ARGV[3] == '' or redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[3], 'px', ARGV[4])
redis.call('set', KEYS[2], ARGV[2], 'px', ARGV[5])
return 1`

/** KEYS bytes, version of each; ARGV new version, its life in ms. */
const FORGET = `
for i = 1, #KEYS, 2 do
  redis.call('del', KEYS[i])
  redis.call('set', KEYS[i + 1], ARGV[1], 'px', ARGV[2])
end`

/** The scripts as ioredis offers them: it sends each whole once in a connection, afterwards by its hash. */
interface Scripts {
  cacheLookBuffer: (...args: (string | number)[]) => Promise<[version: Buffer, bytes?: Buffer | null, locked?: number]>
  cacheKeep: (...args: (string | number)[]) => Promise<number>
  cacheForget: (...args: (string | number)[]) => Promise<null>
}

export type Look =
  | { held: true; version: string /** Absent when the version is the known one. */; bytes?: Buffer }
  | { held: false; version: string /** Whether the caller is the one to load. */; locked: boolean; token: string }

export type Store = ReturnType<typeof createStore>

export function createStore(redis: Redis, prefix: string, log: FastifyBaseLogger) {
  redis.defineCommand('cacheLook', { lua: LOOK, numberOfKeys: 3 })
  redis.defineCommand('cacheKeep', { lua: KEEP, numberOfKeys: 3 })
  redis.defineCommand('cacheForget', { lua: FORGET })
  const scripts = redis as unknown as Scripts // defined just now
  const keysOf = (key: string) => ['', ':version', ':lock'].map((part) => prefix + key + part)

  let run: string | undefined
  let restUntil = 0
  const noteRun = async () => {
    run = /run_id:(\w+)/.exec(await redis.info('server'))?.[1]
  }
  const asked = new Promise<void>((resolve) => {
    const note = () => void noteRun().then(resolve, () => {}) // it broke again: the next one that is ready is asked
    redis.on('ready', note)
    if (redis.status === 'ready') note()
    redis.on('close', () => {
      run = undefined
      resolve()
    })
  })

  return {
    /** Resolves when it is known whether Redis is there. */
    tried: () => Promise.race([asked, sleep(REST_MS, undefined, { ref: false })]),

    isAway: () => run === undefined || Date.now() < restUntil,

    /** What is kept, if anything. @throws when Redis does not say so soon */
    async look(key: string, known = ''): Promise<Look> {
      const token = randomUUID()
      const asked = scripts.cacheLookBuffer(...keysOf(key), `${run}`, known, token, VERSION_TTL_MS, LOCK_MS)
      const [versionBytes, bytes, locked] = await within(READ_LIMIT_MS, asked, () => {
        if (Date.now() >= restUntil) log.warn({ forMs: REST_MS }, 'Redis is slow: it is passed over for a while')
        restUntil = Date.now() + REST_MS
      })
      const version = versionBytes.toString()
      if (locked !== undefined) return { held: false, version, locked: locked === 1, token }
      return { held: true, version, ...(bytes && { bytes }) }
    },

    /** Keeps bytes that were loaded after the look, and answers their version; undefined when a write came between. */
    async keep(key: string, { version, token }: { version: string; token: string }, bytes: string, ttlMs: number) {
      // of another run: nobody knows whether what was told to that one is known to this one
      if (run === undefined || !version.startsWith(run)) return undefined
      const next = `${run}${randomUUID()}`
      const asked = scripts.cacheKeep(...keysOf(key), version, next, bytes, ttlMs, VERSION_TTL_MS, token)
      return (await asked) === 1 ? next : undefined
    },

    /** Lets another one load. */
    async unlock(key: string, token: string) {
      await scripts.cacheKeep(...keysOf(key), '', '', '', 0, 0, token)
    },

    /** @throws when Redis does not confirm it */
    async forget(keys: string[]) {
      if (run === undefined) throw new Error('Redis is away')
      const all = keys.flatMap((key) => keysOf(key).slice(0, 2))
      await scripts.cacheForget(all.length, ...all, `${run}${randomUUID()}`, VERSION_TTL_MS)
    }
  }
}

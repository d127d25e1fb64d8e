/** Breaks one thing after the other, as the seed says. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Process } from '../helpers/processes.js'
import type { Line } from '../helpers/proxy.js'
import type { Service } from '../helpers/services.js'
import { createRandom } from './random.js'
import { takeSnapshot } from './snapshot.js'

export interface Targets {
  gateways: Process[]
  consumers: Process[]
  postgres: Service
  redis: Service & { url: string }
  toPostgres: Line
  toRedis: Line
}

export interface Nemesis {
  /** Faults so far, by kind. */
  readonly faults: ReadonlyMap<string, number>
  /** Stops breaking, and waits until what is being broken is whole again. */
  stop(): Promise<void>
}

/** Pause between two faults, in ms. */
const PAUSE = { least: 400, most: 1_200 }

export interface NemesisOptions {
  seed: number
  /** Kinds of faults; all when absent. */
  only?: string[]
  onFault?: (kind: string) => void
}

export function startNemesis(targets: Targets, { seed, only, onFault = () => {} }: NemesisOptions): Nemesis {
  const { gateways, consumers, postgres, redis, toPostgres, toRedis } = targets
  const random = createRandom(seed + 13)
  const faults = new Map<string, number>()
  const mending = new Set<Promise<void>>()
  /** Servers and lines that are broken now: one fault at a time each. */
  const broken = new Set<unknown>()
  const stopping = new AbortController()

  const one = <Value>(all: Value[]): Value => all[random.integer(0, all.length)] ?? (all[0] as Value)

  /** Each kind with its weight: what it breaks and how, drawn before it is known whether it can be done now. */
  const all: [number, string, () => { breaks: unknown; act: () => Promise<unknown> }][] = [
    [4, 'consumer kill -9', () => aimAt(one(consumers), (it) => it.kill())],
    [2, 'gateway kill -9', () => aimAt(one(gateways), (it) => it.kill())],
    [1, 'consumer SIGTERM', () => aimAt(one(consumers), (it) => it.kill('SIGTERM'))],
    [1, 'consumer SIGSTOP', () => aimAt(one(consumers), pausing(random.integer(500, 4_000)))],
    [1, 'consumer SIGSTOP past its lease', () => aimAt(one(consumers), pausing(random.integer(7_000, 9_000)))],
    [2, 'redis kill -9', () => aimAt(redis, restarting(random.integer(50, 600)))],
    [1, 'redis SIGSTOP', () => aimAt(redis, freezing(random.integer(500, 4_000)))],
    [1, 'FLUSHALL', () => aimAt(redis, () => command('flushall'))],
    [2, 'Redis goes back in time', () => aimAt(redis, goBack(random.integer(300, 2_000)))],
    [1, 'SCRIPT FLUSH', () => aimAt(redis, () => command('script', 'flush'))],
    [1, 'CLIENT KILL', () => aimAt(redis, () => command('client', 'kill', 'type', 'normal'))],
    [1, 'postgres kill -9', () => aimAt(postgres, restarting(random.integer(50, 600)))],
    [1, 'postgres connections cut', () => aimAt(toPostgres, async (it) => it.cut())],
    [1, 'postgres line silent', () => aimAt(toPostgres, silencing(random.integer(500, 3_000)))],
    [1, 'redis connections cut', () => aimAt(toRedis, async (it) => it.cut())],
    [1, 'redis line silent', () => aimAt(toRedis, silencing(random.integer(500, 3_000)))]
  ]

  const kinds = all.flatMap(([weight, kind, aim]) =>
    only?.includes(kind) === false ? [] : [[weight, [kind, aim]] as const]
  )
  const unknown = only?.filter((kind) => !all.some(([, name]) => name === kind)) ?? []
  if (unknown.length)
    throw new Error(`no such fault: ${unknown.join(', ')}; there are: ${all.map(([, kind]) => kind).join(', ')}`)

  function aimAt<Target>(target: Target, act: (target: Target) => Promise<unknown>) {
    return { breaks: target, act: () => act(target) }
  }

  function restarting(downMs: number) {
    return async (service: Service) => {
      await service.kill()
      await sleep(downMs)
      await service.start()
    }
  }

  function freezing(ms: number) {
    return async (service: Service) => {
      await service.freeze()
      await pause(ms)
      await service.thaw()
    }
  }

  function pausing(ms: number) {
    return async (process: Process) => {
      await process.kill('SIGSTOP')
      await sleep(ms) // to its end: what matters happens after a long one
      await process.kill('SIGCONT')
    }
  }

  function silencing(ms: number) {
    return async (line: Line) => {
      line.blackHole()
      await pause(ms)
      line.pass()
    }
  }

  /** What a failover to a late replica does: deliveries that were worked off since then come out once more. */
  function goBack(ms: number) {
    return () =>
      withClient(async (client) => {
        const restore = await takeSnapshot(client)
        await pause(ms)
        await restore()
      })
  }

  const command = (name: string, ...args: string[]) => withClient((client) => client.call(name, ...args))

  async function withClient(work: (client: Redis) => Promise<unknown>) {
    const client = new Redis(redis.url, { lazyConnect: true, commandTimeout: 1_000, retryStrategy: () => null })
    client.on('error', () => {})
    try {
      await client.connect()
      await work(client)
    } finally {
      client.disconnect()
    }
  }

  /** Ends early when the nemesis stops. */
  const pause = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)

  async function run() {
    while (!stopping.signal.aborted) {
      await pause(random.integer(PAUSE.least, PAUSE.most))
      const [kind, aim] = random.weighted(kinds)
      const { breaks, act } = aim()
      if (stopping.signal.aborted || broken.has(breaks)) continue
      broken.add(breaks)
      onFault(kind)
      const mended = act()
        .then(
          () => void faults.set(kind, (faults.get(kind) ?? 0) + 1),
          () => undefined // Redis was away when it was to be told something
        )
        .finally(() => {
          broken.delete(breaks)
          mending.delete(mended)
        })
      mending.add(mended)
    }
  }

  const running = run()
  return {
    faults,
    async stop() {
      stopping.abort()
      await running
      await Promise.all(mending)
    }
  }
}

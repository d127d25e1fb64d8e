/** The worker on a ledger and a queue that only note how they are asked, for tests of its steps one by one. */
import type { Test } from 'tap'
import Type from 'typebox'
import { uuidv7 } from 'uuidv7'
import worker, { defineHandler } from '#plugins/worker'
import { defineJob } from '#schema/job'
import { buildRegistry } from '#schema/registry'
import type { judgeError } from '../../plugins/worker/endings.js'
import { createApp, createLog } from './app.js'

const Payload = Type.Object({ n: Type.Integer() }, { additionalProperties: false })
const definition = defineJob({
  title: 'Count',
  queue: 'work',
  version: 2,
  payload: Payload,
  result: Type.Object({ m: Type.Integer() }, { additionalProperties: false }),
  limits: { maxAttempts: 3, timeoutMs: 500, batch: 10, concurrency: 2 }
})
export const registry = buildRegistry({ forms: {}, jobs: { count: definition } })

export type Ending = ReturnType<typeof judgeError>
export type Claimed = Ending['job']

/** A job as its claim gives it. */
export const claimed = (payload: unknown = { n: 1 }, changes: Partial<Claimed> = {}): Claimed => ({
  id: uuidv7(),
  type: 'count',
  payload,
  schemaVersion: 2,
  attempts: 1,
  maxAttempts: 3,
  timeoutMs: 500,
  token: uuidv7(),
  trace: null,
  ownerId: null,
  deliveryId: uuidv7(),
  ...changes
})

/** Deliveries are handed in by `deliver`, endings come out in `endings`; `finish` may fail them. */
export async function createWorker(
  t: Test,
  handler: Parameters<typeof defineHandler<typeof Payload, typeof definition.result>>[1],
  { finish = async (_: Ending) => true } = {}
) {
  const log = createLog()
  const app = createApp(t, { logger: log.logger })
  const endings: Ending[] = []
  const renewed: { id: string; progress: number | null }[] = []
  const broken: Error[] = []
  let waiting: Claimed[] = []
  let take: (delivery: { id: string; ids: string[] }) => Promise<void> = async () => {}
  let lost: { id: string; token: string; state: string }[] = []
  app.decorate('ledger', {
    claim: async () => waiting,
    finish: async (ending: Ending) => {
      endings.push(ending)
      return finish(ending)
    },
    storeWith: () => {},
    renew: async (leases: typeof renewed) => {
      renewed.push(...leases)
      return lost
    },
    relay: { start: () => {}, stop: async () => {} }
  } as never)
  app.decorate('queue', {
    consume: (_queues: unknown, handle: typeof take) => {
      take = handle
    },
    workload: () => [],
    stop: async () => {}
  } as never)
  app.register(worker, {
    registry,
    handlers: { count: defineHandler(definition, handler) },
    graceMs: 100,
    onBroken: (error) => broken.push(error)
  })
  await app.ready()
  return {
    app,
    endings,
    renewed,
    broken,
    log,
    lose: ({ id, token }: Claimed) => {
      lost = [{ id, token, state: 'cancelled' }]
    },
    deliver: (...jobs: Claimed[]) => {
      waiting = jobs
      return take({ id: uuidv7(), ids: jobs.map(({ id }) => id) })
    }
  }
}

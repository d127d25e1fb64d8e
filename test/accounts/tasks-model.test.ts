/** Random changes by several callers at two gateways, compared with a model after each: what a caller reads is what it should be. */
import fc from 'fast-check'
import { Redis } from 'ioredis'
import t from 'tap'
import type { Task, TaskList } from '#schema/task'
import { bearer, createUser, logIn } from '../helpers/accounts.js'
import { createBulkClient } from '../helpers/bulk-client.js'
import { startGateway } from '../helpers/processes.js'
import { startStack } from '../helpers/stack.js'

/** Another run: `SEED=… node build/test/accounts/tasks-model.test.js`. */
const seed = Number(process.env.SEED ?? 20261121)
const RUNS = 60
const settings = { PUBLIC_TASKS: 'true', REQUESTS_PER_MINUTE: '1000000' }

const stack = await startStack(t, settings)
const second = await startGateway(t, { ...stack.env, ...settings })
await Promise.all([createUser(stack, 'ada'), createUser(stack, 'grace')])
const callers = [
  {},
  ...(await Promise.all(['ada', 'grace'].map(async (name) => bearer((await logIn(stack, name)).access_token))))
]
const keys = new Redis(stack.redis.url)
t.teardown(() => keys.disconnect())
const gateways = [stack.gateway.url, second.url].map((url) => createBulkClient(t, url))

interface Step {
  caller: number
  gateway: number
  what: 'add' | 'replace' | 'change' | 'remove'
  /** Which of all tasks, own or not. */
  which: number
  title: string
  isDone: boolean
  /** Whether to ask for the version that it has, for another, or for none. */
  version: 'right' | 'wrong' | 'any'
}

const step: fc.Arbitrary<Step> = fc.record({
  caller: fc.nat({ max: callers.length - 1 }),
  gateway: fc.nat({ max: 1 }),
  what: fc.constantFrom('add', 'add', 'replace', 'change', 'change', 'remove'),
  which: fc.nat({ max: 1_000 }),
  title: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).filter((text) => [...text].length <= 200),
  isDone: fc.boolean(),
  version: fc.constantFrom('right', 'wrong', 'any', 'any')
})

type Known = Pick<Task, 'id' | 'title' | 'description' | 'is_done' | 'version'> & { owner: number }

async function run(steps: Step[]): Promise<void> {
  await stack.sql('update tasks set deleted_at = now() where deleted_at is null')
  await keys.flushall() // of which the cache could not know
  const model: Known[] = []
  for (const [n, one] of steps.entries()) {
    await take(one, model)
    for (const [caller, headers] of callers.entries()) {
      const answer = await gateways[(n + caller) % 2]?.('/api/tasks', { headers })
      const { items }: TaskList = JSON.parse(answer?.body ?? '')
      const expected = model
        .filter(({ owner }) => owner === caller)
        .toReversed()
        .slice(0, 50)
      if (JSON.stringify(items.map(plain)) !== JSON.stringify(expected.map(plain))) {
        throw new Error(
          `caller ${caller} sees ${JSON.stringify(items.map(plain))}\n instead of ${JSON.stringify(expected.map(plain))}`
        )
      }
    }
  }
}

async function take({ caller, gateway, what, which, title, isDone, version }: Step, model: Known[]): Promise<void> {
  const send = gateways[gateway]
  const found = model[which % Math.max(model.length, 1)]
  const mine = found && found.owner === caller ? found : undefined
  const condition =
    version === 'any' || !found ? {} : { 'if-match': `"${found.version + (version === 'wrong' ? 1 : 0)}"` }
  const headers = { ...callers[caller], ...(what !== 'add' && condition) }
  const method = { add: 'POST', replace: 'PUT', change: 'PATCH', remove: 'DELETE' }[what]
  const body = what === 'change' ? { is_done: isDone } : { title, is_done: isDone }
  const path = what === 'add' ? '/api/tasks' : `/api/tasks/${found?.id ?? 2_000_000_000}`
  const about = what === 'remove' ? {} : { type: 'application/json', body: JSON.stringify(body) }
  const answer = await send?.(path, { method, headers, ...about })
  const refusal = what === 'add' ? undefined : !mine ? 404 : version === 'wrong' ? 412 : undefined
  const expected = refusal ?? { add: 201, replace: 200, change: 200, remove: 204 }[what]
  if (answer?.status !== expected) throw new Error(`${method} ${path}: ${answer?.status} instead of ${expected}`)
  if (refusal) return
  if (what === 'add') {
    const task: Task = JSON.parse(answer.body)
    model.push({ ...task, title, description: '', is_done: isDone, version: 1, owner: caller })
    // ids are given in the order of the commits, which need not be that of two gateways' answers
    model.sort((a, b) => a.id - b.id)
  } else if (mine) {
    if (what === 'remove') model.splice(model.indexOf(mine), 1)
    else Object.assign(mine, body, { version: mine.version + 1 })
  }
}

const plain = ({ id, title, description, is_done, version }: Omit<Known, 'owner'>) => [
  id,
  title,
  description,
  is_done,
  version
]

t.test(`${RUNS} courses of random changes (seed ${seed}) read as a model does`, async (t) => {
  await t.resolves(
    fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), run), {
      seed,
      numRuns: RUNS,
      interruptAfterTimeLimit: 60_000,
      endOnFailure: true
    })
  )
})

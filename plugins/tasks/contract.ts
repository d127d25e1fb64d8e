/** The contract of each route: what comes in, what goes out. */
import Type, { type Static } from 'typebox'
import { problems } from '#schema/problem'
import { MOST_TASKS, Task, TaskChange, TaskDraft, TaskId, TaskList } from '#schema/task'

const tags = ['tasks']

const Key = Type.Object({ id: TaskId })
const header = (description: string) => Type.Optional(Type.String({ maxLength: 1_000, description }))
const Reading = Type.Object({ 'if-none-match': header('ETag of the answer that you have; the same again is 304') })
const Writing = Type.Object({
  'if-match': header('ETag of the task that you mean to change; another one is 412'),
  'if-none-match': header('ETag that the task must not have; that one, or `*`, is 412')
})
const notModified = { 304: Type.Null({ description: 'as you have it' }) }

/** The page that is asked for without a word, and kept in the cache. */
export const DEFAULT_LIMIT = 50

const ListQuery = Type.Object(
  {
    is_done: Type.Optional(Type.Boolean()),
    title: Type.Optional(Type.String({ maxLength: 200, description: 'text that the title contains' })),
    limit: Type.Integer({ minimum: 1, maximum: MOST_TASKS, default: DEFAULT_LIMIT }),
    before: Type.Optional({ ...TaskId, description: '`next` of the page before' })
  },
  { additionalProperties: false }
)
export type ListQuery = Static<typeof ListQuery>

export const listContract = {
  summary: 'List tasks, newest first',
  description:
    'Without query it comes from the cache: `source` tells, and the header `X-Cache` (HIT or MISS). A page may be short, even empty, and yet not the last: `next` tells, and so does `Link`.',
  tags,
  headers: Reading,
  querystring: ListQuery,
  response: { 200: TaskList, ...notModified, ...problems(400, 401, 403, 503) }
}

export const createContract = {
  summary: 'Add a task',
  description:
    'With an `Idempotency-Key` a repetition adds nothing and is answered with the task as it is by then. `"is done"` is accepted as a name of `is_done`, and `"true"` and `"false"` as its values.',
  tags,
  headers: Type.Object({ 'idempotency-key': header('makes repeating the request harmless') }),
  body: TaskDraft,
  response: { 201: Task, ...problems(400, 401, 403, 409, 410, 413, 415, 422, 429, 503) }
}

export const readContract = {
  summary: 'Read a task',
  tags,
  params: Key,
  headers: Reading,
  response: { 200: Task, ...notModified, ...problems(400, 401, 403, 404, 503) }
}

export const replaceContract = {
  summary: 'Replace a task',
  description: 'What is left out has its default again.',
  tags,
  params: Key,
  headers: Writing,
  body: TaskDraft,
  response: { 200: Task, ...problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 503) }
}

export const changeContract = {
  summary: 'Change a task',
  description: 'What is left out stays as it is.',
  tags,
  params: Key,
  headers: Writing,
  body: TaskChange,
  response: { 200: Task, ...problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 503) }
}

export const removeContract = {
  summary: 'Delete a task',
  description: 'No read shows it any more; its row stays.',
  tags,
  params: Key,
  headers: Writing,
  response: { 204: Type.Null(), ...problems(400, 401, 403, 404, 412, 429, 503) }
}

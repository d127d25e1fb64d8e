/** A thing to do, as it is sent and as it is read. */
import Type, { type Static } from 'typebox'
import { Timestamp } from './job.js'
import { NOT_BLANK } from './not-blank.js'

export const TaskId = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })

/** Tasks on one page at the most. */
export const MOST_TASKS = 100

const title = Type.String({ ...NOT_BLANK, maxLength: 200 })
const description = Type.String({ maxLength: 2_000 })
const is_done = Type.Boolean()

/** Body of POST and PUT: what is left out has its default. */
export const TaskDraft = Type.Object(
  {
    title,
    description: Type.Optional({ ...description, default: '' }),
    is_done: Type.Optional({ ...is_done, default: false })
  },
  { title: 'TaskDraft', additionalProperties: false }
)
export type TaskDraft = Static<typeof TaskDraft>

/** Body of PATCH: what is left out stays. */
export const TaskChange = Type.Object(
  { title: Type.Optional(title), description: Type.Optional(description), is_done: Type.Optional(is_done) },
  { title: 'TaskChange', additionalProperties: false, minProperties: 1 }
)
export type TaskChange = Static<typeof TaskChange>

export const Task = Type.Object(
  {
    id: TaskId,
    title,
    description,
    is_done,
    version: Type.Integer({ minimum: 1, description: 'grows with every change; the number in the ETag' }),
    created_at: Timestamp,
    updated_at: Timestamp
  },
  { title: 'Task', additionalProperties: false }
)
export type Task = Static<typeof Task>

export const TaskList = Type.Object(
  {
    source: Type.Union([Type.Literal('postgres'), Type.Literal('redis-cache')], {
      description: 'where this answer was read'
    }),
    next: Type.Union([TaskId, Type.Null()], { description: '`before` of the next page; null at the end' }),
    items: Type.Array(Task, { maxItems: MOST_TASKS })
  },
  { title: 'TaskList', additionalProperties: false }
)
export type TaskList = Static<typeof TaskList>

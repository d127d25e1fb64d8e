/** Every change of a task: committed, then told to the cache, then answered. */
import type { FastifyInstance } from 'fastify'
import { uuidv7 } from 'uuidv7'
import { problem } from '#schema/problem'
import type { TaskChange, TaskDraft } from '#schema/task'
import { listKey } from './list.js'
import {
  deleteTask,
  findInserted,
  findTasks,
  insertTasks,
  type Owner,
  type TaskRow,
  type TaskWrite,
  taskKey,
  updateTask
} from './queries.js'

type IdempotencyKey = ReturnType<FastifyInstance['idempotency']['readKey']>

interface NewTask {
  /** Its `insert_id`. */
  id: string
  key: IdempotencyKey
  /** The row as the statement wants it, turned into JSON once. */
  json: string
}

export function createWrites(app: FastifyInstance) {
  const commit = app.groupCommit({
    sizeOf: ({ json }: NewTask) => Buffer.byteLength(json),
    write: async (client, given: NewTask[]) => {
      let found = new Map<string, TaskRow | undefined>()
      const outcomes = await app.idempotency.insertOnce(client, 'task', given, async (tx, taken) => {
        found = await insertTasks(tx, taken)
      })
      const before = outcomes.filter(({ id, conflict }) => !conflict && !found.has(id)).map(({ id }) => id)
      if (before.length) for (const [id, task] of await findInserted(client, before)) found.set(id, task)
      return outcomes.map((outcome) => ({ ...outcome, task: found.get(outcome.id) }))
    }
  })

  /** Waits until nobody is shown the old list, unless nothing was written for sure. */
  async function tell<Written>(owner: Owner, writing: Promise<Written>): Promise<Written> {
    try {
      const written = await writing
      if (written) await app.cache.forget(listKey(owner))
      return written
    } catch (error) {
      const { statusCode = 500 } = error as { statusCode?: number }
      if (statusCode >= 500) await app.cache.forget(listKey(owner)) // it may have been written all the same
      throw error
    }
  }

  /** @throws problem 412 `TASK_CHANGED` or `TASK_EXISTS`, or 404 `TASK_NOT_FOUND` */
  async function refuse({ owner, id, versions, excluded }: TaskWrite): Promise<never> {
    const isBound = versions !== undefined || excluded !== undefined
    const task = isBound && (await findTasks(app.pg, [taskKey(owner, id)])).get(taskKey(owner, id))
    if (!task) throw noTask(id)
    const { version } = task
    const isMeant = !versions || versions.includes(version)
    if (isMeant && (excluded === 'all' || excluded?.includes(version)))
      throw problem(
        412,
        'TASK_EXISTS',
        `the task is there in version ${version}, for which If-None-Match rules this out`
      )
    throw problem(412, 'TASK_CHANGED', `the task has changed since: it is in version ${version} now`)
  }

  return {
    /** Under a key at most once. @throws as `GroupCommit`; problem 422 for a reused key, 410 `TASK_DELETED` */
    async add(owner: Owner, { title, description = '', is_done = false }: TaskDraft, key: IdempotencyKey) {
      const id = uuidv7()
      const json = JSON.stringify({ insert_id: id, title, description, is_done, owner_id: owner })
      const { task, ...outcome } = await tell(owner, commit({ id, key, json }))
      const { replayed } = app.idempotency.settle(outcome)
      if (!task) throw problem(410, 'TASK_DELETED', 'the task of this Idempotency-Key was deleted')
      return { task, replayed }
    },

    /** @throws as `refuse` */
    change: async (write: TaskWrite, change: TaskChange) =>
      (await tell(write.owner, updateTask(app.pg, write, change))) ?? (await refuse(write)),

    /** @throws as `refuse` */
    remove: async (write: TaskWrite) => (await tell(write.owner, deleteTask(app.pg, write))) || (await refuse(write))
  }
}

export const noTask = (id: number) => problem(404, 'TASK_NOT_FOUND', `no task ${id}`)

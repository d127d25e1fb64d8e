/** All SQL on the table `tasks`. A task of a known owner is seen by that owner alone; those without one by all who own none. */
import type { Pool, PoolClient } from 'pg'
import type { Task, TaskChange } from '#schema/task'

export type Owner = string | null
type Queryable = Pick<Pool, 'query'> | Pick<PoolClient, 'query'>

/** A task as it is answered: Postgres writes the JSON, which costs the gateway nothing but to send it. */
export interface TaskRow extends Pick<Task, 'id' | 'version'> {
  /** A `Task`. */
  json: string
}

const isoTime = (column: string) =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as ${column}`
const COLUMNS = `id, version, row_to_json((select task from (select id, title, description, is_done, version,
                                            ${isoTime('created_at')}, ${isoTime('updated_at')}) as task))::text as json`

/** Inserts tasks, each as JSON with a field for each column; one that is there already stays as it is. Answers the new ones by `insert_id`. */
export async function insertTasks(db: Queryable, rows: { json: string }[]): Promise<Map<string, TaskRow>> {
  const { rows: inserted } = await db.query<TaskRow & { insert_id: string }>({
    name: 'insert_tasks',
    text: `insert into tasks (insert_id, title, description, is_done, owner_id)
           select insert_id, title, description, is_done, owner_id from json_populate_recordset(null::tasks, $1::json)
           on conflict (insert_id) do nothing
           returning insert_id, ${COLUMNS}`,
    values: [`[${rows.map(({ json }) => json).join()}]`]
  })
  return new Map(inserted.map(({ insert_id, ...task }) => [insert_id, task]))
}

/** Tasks as they are now, by `insert_id`; undefined for one that was deleted. */
export async function findInserted(db: Queryable, ids: string[]): Promise<Map<string, TaskRow | undefined>> {
  const { rows } = await db.query<TaskRow & { insert_id: string; deleted: boolean }>({
    name: 'find_inserted_tasks',
    text: `select insert_id, deleted_at is not null as deleted, ${COLUMNS} from tasks where insert_id = any($1::uuid[])`,
    values: [ids]
  })
  return new Map(rows.map(({ insert_id, deleted, ...task }) => [insert_id, deleted ? undefined : task]))
}

/** What stands for a task of an owner in a shared look-up. */
export const taskKey = (owner: Owner, id: number) => `${id} ${owner ?? ''}`

/** The tasks that are there, by key. */
export async function findTasks(db: Queryable, keys: string[]): Promise<Map<string, TaskRow>> {
  const asked = keys.map((key) => key.split(' '))
  const { rows } = await db.query<TaskRow & { owner_id: string | null }>({
    name: 'find_tasks',
    // laterally, each by the primary key: a join's plan may go through the whole table
    text: `select owner_id, ${COLUMNS}
             from unnest($1::int[], $2::uuid[]) as asked (key, owner),
                  lateral (select * from tasks where id = asked.key and owner_id is not distinct from asked.owner
                                                 and deleted_at is null limit 1) as found`,
    values: [asked.map(([id]) => id), asked.map(([, owner]) => owner || null)]
  })
  return new Map(rows.map((task) => [taskKey(task.owner_id, task.id), task])) // its answer leaves the owner out
}

export interface TaskFilter {
  is_done?: boolean
  /** Text that the title contains, in whatever case. */
  title?: string
  /** Only those whose id is less: where a page begins. */
  before?: number
}

/** Rows looked through for one page: a filter that fits few of them may end its page early, and the next one goes on there. */
const MOST_SEEN = 10_000

/** Tasks that fit, newest first, at most `limit`. A page may be short, even empty, and yet not the last: `next` tells. */
export async function listTasks(
  db: Queryable,
  owner: Owner,
  { is_done, title, before }: TaskFilter,
  limit: number
): Promise<{ items: TaskRow[]; next: number | null }> {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const bounds = [
    'deleted_at is null',
    owner === null ? 'owner_id is null' : `owner_id = ${given(owner)}`,
    ...(before === undefined ? [] : [`id < ${given(before)}`])
  ].join(' and ')
  const bound = values.length
  const asked = [
    ...(is_done === undefined ? [] : [`is_done = ${given(is_done)}`]),
    ...(title === undefined ? [] : [`position(lower(${given(title)}) in lower(title)) > 0`])
  ]
  const seen = `select * from tasks where ${bounds} order by id desc`
  const { rows } = await db.query<TaskRow>(
    asked.length
      ? `select ${COLUMNS} from (${seen} limit ${MOST_SEEN}) as tasks where ${asked.join(' and ')} order by id desc limit ${limit + 1}`
      : `${seen.replace('*', COLUMNS)} limit ${limit + 1}`,
    values
  )
  if (rows.length > limit) return { items: rows.slice(0, limit), next: rows[limit - 1]?.id ?? null }
  if (!asked.length) return { items: rows, next: null }
  const { rows: last } = await db.query<{ id: number }>(
    `${seen.replace('*', 'id')} offset ${MOST_SEEN - 1} limit 1`,
    values.slice(0, bound)
  )
  return { items: rows, next: last[0]?.id ?? null }
}

export interface TaskWrite {
  owner: Owner
  id: number
  /** Versions of which it must have one; any when absent. */
  versions?: number[] | undefined
  /** Versions of which it must have none. */
  excluded?: number[] | 'all' | undefined
}

/** Changes what is given of a task. Undefined when there is no such task, or in another version than it is meant for. */
export async function updateTask(db: Queryable, write: TaskWrite, change: TaskChange): Promise<TaskRow | undefined> {
  const { rows } = await db.query<TaskRow>({
    name: 'update_task',
    text: `update tasks
              set title = coalesce($5, title), description = coalesce($6, description), is_done = coalesce($7, is_done),
                  version = version + 1, updated_at = now()
            where ${WRITTEN}
           returning ${COLUMNS}`,
    values: [...placeOf(write), change.title, change.description, change.is_done]
  })
  return rows[0]
}

/** Sets the tombstone. False as `updateTask` is undefined. */
export async function deleteTask(db: Queryable, write: TaskWrite): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'delete_task',
    text: `update tasks set deleted_at = now(), updated_at = now(), version = version + 1 where ${WRITTEN}`,
    values: placeOf(write)
  })
  return rowCount === 1
}

const WRITTEN = `id = $1 and owner_id is not distinct from $2::uuid and deleted_at is null
                  and ($3::int[] is null or version = any($3)) and ($4::int[] is null or version <> all($4))`
const placeOf = ({ id, owner, versions, excluded }: TaskWrite) =>
  excluded === 'all' ? [id, owner, [], null] : [id, owner, versions ?? null, excluded ?? null]

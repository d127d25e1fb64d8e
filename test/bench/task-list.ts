/** The tasks of the benchmark: the same rows in every store, and the list of them as it is answered. */
import type pg from 'pg'

export const TASKS = 50
const AT = '2026-01-01T08:00:00.000Z'

/** Newest first. */
const tasks = Array.from({ length: TASKS }, (_, n) => ({
  id: TASKS - n,
  title: `Look after the hives in row ${TASKS - n}`,
  description: 'Water, roofs, entrances; note what is new.',
  is_done: n % 3 === 0,
  version: 1,
  created_at: AT,
  updated_at: AT
}))

/** What a list from the cache answers. */
export const LIST = JSON.stringify({ source: 'redis-cache', next: null, items: tasks })

/** Makes the rows in a new database, whose table `tasks` is empty. */
export async function fillTasks(database: pg.Client): Promise<void> {
  await database.query(
    `insert into tasks (insert_id, title, description, is_done, created_at, updated_at)
     select gen_random_uuid(), title, description, is_done, created_at, updated_at
       from json_populate_recordset(null::tasks, $1) order by id`,
    [JSON.stringify(tasks)]
  )
  await database.query('vacuum analyze tasks')
}

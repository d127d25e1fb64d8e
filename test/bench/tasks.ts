/** Loads on the tasks: the list, one by its id, and the list while some of them change. */
import { drive } from './drive.js'
import type { TasksSource } from './front.js'
import { createLoad, type Load, type Turn, WARM_UP_SECONDS } from './load.js'
import type { Stage } from './stage.js'
import { fillTasks, LIST, TASKS } from './task-list.js'
import type { Measures, WorkOptions } from './works.js'

/** What is asked of the tasks at a path, over and over. */
export type Ask = (path: string) => Turn[]

export const askList: Ask = (path) => [{ method: 'GET', path }]

const ids = Array.from({ length: TASKS }, (_, n) => n + 1)
export const askOne: Ask = (path) => ids.map((id) => ({ method: 'GET', path: `${path}/${id}` }))

/** Every tenth request changes a task. */
export const askAndChange: Ask = (path) =>
  ids.flatMap((id) => [
    ...Array.from({ length: 9 }, (): Turn => ({ method: 'GET', path })),
    { method: 'PATCH', path: `${path}/${id}`, body: { is_done: id % 2 === 0 } }
  ])

/** @param source who answers the list, when it is asked of nginx */
export const driveTasks =
  (ask: Ask, source?: TasksSource) =>
  async (stage: Stage, _load: Load, { folder, seconds }: WorkOptions & { folder: string }): Promise<Measures> => {
    const { tasks } = stage.side
    if (!tasks) throw new Error(`${stage.side.title} has no tasks`)
    await fillTasks(stage.database)
    await stage.start('gateway')
    if (source) await stage.startFront(source)
    const load = await createLoad(folder, { turns: ask(tasks) })
    await load.run(stage.url(''), WARM_UP_SECONDS)
    if (ask === askList) await compareList(stage.url(tasks), source)
    return (await drive(stage, '', load, seconds)).measures
  }

/** What nginx says of where an answer is from. */
const FROM: Record<TasksSource, string> = { gateway: 'BYPASS', redis: 'REDIS' }

/** Both sides and the limit answer the same bytes, and nginx takes them from where it is said to. */
async function compareList(url: string, source: TasksSource | undefined): Promise<void> {
  const answer = await fetch(url)
  const told = answer.headers.get('x-nginx-cache')
  const from = source ? FROM[source] : null
  if (told !== from) throw new Error(`nginx took the list from ${told}, not from ${from}`)
  const text = await answer.text()
  if (text !== LIST) throw new Error(`the list is not the one that is compared:\n${text.slice(0, 500)}`)
}

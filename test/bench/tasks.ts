/** Loads on the tasks: the list, one by its id, and the list while some of them change. */
import { perThousand, subtract } from './cpu.js'
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

export const driveTasks =
  (ask: Ask) =>
  async (stage: Stage, _load: Load, { folder, seconds }: WorkOptions & { folder: string }): Promise<Measures> => {
    const { tasks } = stage.side
    if (!tasks) throw new Error(`${stage.side.title} has no tasks`)
    await fillTasks(stage.database)
    await stage.start('gateway')
    const load = await createLoad(folder, { turns: ask(tasks) })
    await load.run(stage.url(''), WARM_UP_SECONDS)
    if (ask === askList) await compareList(stage.url(tasks))
    const cpu = await stage.readCpu()
    const { answered, errors, p50, p99, seconds: taken } = await load.run(stage.url(''), seconds)
    const used = subtract(await stage.readCpu(), cpu)
    return { rate: answered / taken, p50, p99, errors, cpu: perThousand(used, answered) }
  }

/** Both sides and the limit answer the same bytes. */
async function compareList(url: string): Promise<void> {
  const answer = await (await fetch(url)).text()
  if (answer !== LIST) throw new Error(`the list is not the one that is compared:\n${answer.slice(0, 500)}`)
}

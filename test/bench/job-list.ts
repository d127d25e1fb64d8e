/** A load on the list of jobs. */
import { drive } from './drive.js'
import { fillHistory } from './history.js'
import { createLoad, WARM_UP_SECONDS } from './load.js'
import type { Work } from './works.js'

/** @param finished jobs that the ledger holds */
export const driveJobs =
  (finished: number): Work['run'] =>
  async (stage, _load, { folder, seconds }) => {
    const { jobs } = stage.side
    if (!jobs) throw new Error(`${stage.side.title} has no list of jobs`)
    await fillHistory(stage.database, finished)
    await stage.start('gateway')
    const load = await createLoad(folder, jobs)
    await load.run(stage.url(jobs.path), WARM_UP_SECONDS)
    return (await drive(stage, jobs.path, load, seconds)).measures
  }

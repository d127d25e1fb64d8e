/** Waiting jobs and a consumer that comes back. */
import { untilRows } from './counting.js'
import { perThousand, subtract } from './cpu.js'
import type { Load } from './load.js'
import type { Stage } from './stage.js'
import type { Measures, WorkOptions } from './works.js'

export async function drain(stage: Stage, load: Load, { jobs }: WorkOptions): Promise<Measures> {
  const warmUp = Math.ceil(jobs / 10)
  await stage.start('gateway')
  await load.fill(stage.url(stage.side.async), warmUp + jobs)
  await stage.start('consumer')
  // the first tenth also pays for the start of the process and its compiler
  await untilRows(stage, warmUp, 10)
  const [before, cpu] = [await stage.countRows(), await stage.readCpu()]
  await untilRows(stage, warmUp + jobs, 200)
  const used = subtract(await stage.readCpu(), cpu)
  const rows = await stage.countRows()
  if (rows !== warmUp + jobs) throw new Error(`${warmUp + jobs} jobs made ${rows} rows`)
  const { rows: ends } = await stage.database.query<{ seconds: number }>(
    `select extract(epoch from max(time) - min(time))::float8 as seconds
       from (select pg_xact_commit_timestamp(xmin) as time from submissions order by 1 offset $1) last`,
    [before - 1]
  )
  const done = rows - before
  return { rate: done / (ends[0]?.seconds ?? Number.NaN), errors: 0, cpu: perThousand(used, done) }
}

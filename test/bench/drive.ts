/** A load on one path of the gateway. */
import { compare, untilStill } from './counting.js'
import { perThousand, subtract } from './cpu.js'
import { type Load, WARM_UP_SECONDS } from './load.js'
import type { Stage } from './stage.js'
import type { Measures } from './works.js'

/** What is answered, and what that costs. */
export async function drive(stage: Stage, path: string, load: Load, seconds: number) {
  const cpu = await stage.readCpu()
  const { answered, errors, p50, p99, seconds: taken } = await load.run(stage.url(path), seconds)
  const used = subtract(await stage.readCpu(), cpu)
  const measures: Measures = { rate: answered / taken, p50, p99, errors, cpu: perThousand(used, answered) }
  return { answered, measures }
}

/** The same, where each answer says that something is stored. */
export async function driveAndCount(stage: Stage, path: string, load: Load, seconds: number): Promise<Measures> {
  const countAccepted = async () => (await stage.countRows()) + (await stage.countOpen())
  await load.run(stage.url(path), WARM_UP_SECONDS)
  const before = await untilStill(countAccepted)
  const { answered, measures } = await drive(stage, path, load, seconds)
  compare(answered, (await untilStill(countAccepted)) - before)
  return measures
}

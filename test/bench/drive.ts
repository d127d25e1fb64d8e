/** A load on one path of the gateway. */
import { compare, untilStill } from './counting.js'
import { perThousand, subtract } from './cpu.js'
import { type Load, WARM_UP_SECONDS } from './load.js'
import type { Stage } from './stage.js'
import type { Measures } from './works.js'

export async function driveAndCount(stage: Stage, path: string, load: Load, seconds: number): Promise<Measures> {
  const countAccepted = async () => (await stage.countRows()) + (await stage.countOpen())
  await load.run(stage.url(path), WARM_UP_SECONDS)
  const before = await untilStill(countAccepted)
  const cpu = await stage.readCpu()
  const result = await load.run(stage.url(path), seconds)
  const used = subtract(await stage.readCpu(), cpu)
  const found = (await untilStill(countAccepted)) - before
  compare(result.answered, found)
  const { answered, errors, p50, p99 } = result
  return { rate: answered / result.seconds, p50, p99, errors, cpu: perThousand(used, answered) }
}

/** Gateway and consumer at work together: as fast as they can, or at a steady pace. */
import { setTimeout as sleep } from 'node:timers/promises'
import { compare, untilIdle, untilRows, untilStill } from './counting.js'
import { perThousand, subtract } from './cpu.js'
import { type Load, WARM_UP_SECONDS } from './load.js'
import { startProbe } from './probe.js'
import type { Stage } from './stage.js'
import { percentile } from './statistics.js'
import type { Measures, WorkOptions } from './works.js'

export async function runTogether(stage: Stage, load: Load, { seconds }: WorkOptions): Promise<Measures> {
  await Promise.all([stage.start('gateway'), stage.start('consumer')])
  const url = stage.url(stage.side.async)
  await load.run(url, WARM_UP_SECONDS)
  await untilIdle(stage)
  const before = await untilStill(stage.countRows)
  const [probe, cpu] = [await startProbe(url), await stage.readCpu()]
  const result = await load.run(url, seconds)
  const used = subtract(await stage.readCpu(), cpu)
  const done = (await stage.countRows()) - before
  const memory = await stage.readMemory()
  const answered = result.answered + (await probe.stop())
  const lags = await probe.readTimes(stage.database)
  await stage.stop('gateway')
  await stage.stop('consumer')
  compare(answered, (await stage.countRows()) + (await stage.countOpen()) - before)
  return {
    rate: done / result.seconds,
    p50: result.p50,
    p99: result.p99,
    errors: result.errors,
    cpu: perThousand(used, done),
    memory,
    lag: Math.max(...lags)
  }
}

export async function measureLatency(stage: Stage, load: Load, { seconds }: WorkOptions): Promise<Measures> {
  await Promise.all([stage.start('gateway'), stage.start('consumer')])
  const url = stage.url(stage.side.async)
  await load.run(url, WARM_UP_SECONDS)
  await untilIdle(stage)
  const before = await untilStill(stage.countRows)
  const [probe, cpu] = [await startProbe(url), await stage.readCpu()]
  await sleep(seconds * 1000)
  const used = subtract(await stage.readCpu(), cpu)
  const sent = await probe.stop()
  await untilRows(stage, before + sent, 100)
  await untilStill(stage.countRows)
  const times = await probe.readTimes(stage.database)
  const rows = (await stage.countRows()) - before
  if (rows !== sent) throw new Error(`${sent} submissions made ${rows} rows`)
  return {
    rate: times.length / seconds,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    errors: 0,
    cpu: perThousand(used, times.length),
    lag: Math.max(...times)
  }
}

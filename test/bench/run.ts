/** `make bench`: measures Beeline and its peers side by side and writes docs/benchmarks.md. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { submission } from './contact-form.js'
import { sum } from './cpu.js'
import { findLimits } from './limits.js'
import { createLoad, type Load } from './load.js'
import { describeMachine } from './machine.js'
import { type Options, readOptions } from './options.js'
import { writePage } from './page.js'
import { type Outcome, reportTables } from './report.js'
import { type Servers, startServers } from './servers.js'
import { sides } from './sides.js'
import { setStage } from './stage.js'
import { countStatements, listStatements } from './statements.js'
import { type Measures, works } from './works.js'

const say = (line: string) => void process.stdout.write(`${line}\n`)

async function bench(options: Options): Promise<void> {
  if (!existsSync('/proc/self/stat')) throw new Error('the benchmark reads CPU time from /proc: run it on Linux')
  const servers = await startServers(say, options)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => servers.close().finally(() => process.exit(130)))
  try {
    const [load, reading, limits] = await Promise.all([
      createLoad(servers.folder, { body: submission }),
      createLoad(servers.folder, {}),
      findLimits()
    ])
    for (const work of options.works) if (works[work]?.missing) say(`${work} is left out: ${works[work]?.missing}`)
    const outcomes: Outcome[] = []
    for (let round = 1; round <= options.rounds; round++) {
      for (const [side, limit] of Object.entries(limits)) {
        const rate = await limit.measure(servers, reading, Math.ceil(options.seconds / 2))
        outcomes.push({ round, side, measures: { rate } })
        say(`round ${round}  limit        ${side.padEnd(15)} ${rate.toFixed(0)} ${limit.unit}`)
      }
      for (const work of options.works) {
        const taking = options.sides.filter((side) => sides[side]?.works.includes(work))
        for (const side of rotate(taking, round % taking.length)) {
          const measures = await measure(work, side, { options, servers, load })
          if (!measures) continue
          outcomes.push({ round, work, side, measures })
          say(`round ${round}  ${work.padEnd(12)} ${side.padEnd(15)} ${summary(measures)}`)
        }
      }
    }
    const tables = reportTables(outcomes, limits)
    say(`\n${tables}`)
    const whole = !process.env.ONLY && !process.env.SIDES
    if (whole) {
      const machine = await describeMachine(servers, load.tool)
      await writeFile('docs/benchmarks.md', writePage({ date: new Date(), machine, options, tables }))
      say('\nwritten to docs/benchmarks.md')
    }
    if (outcomes.some(({ measures }) => measures.errors)) throw new Error('some requests were answered with errors')
  } finally {
    await servers.close()
  }
}

/** Each round begins with another one: none is always the first or the last. */
const rotate = (names: string[], by: number) => [...names.slice(by), ...names.slice(0, by)]

async function measure(
  work: string,
  name: string,
  { options, servers, load }: { options: Options; servers: Servers; load: Load }
): Promise<Measures | undefined> {
  const [side, { run, missing } = {}] = [sides[name], works[work]]
  if (!run || missing || !side?.works.includes(work)) return undefined
  const profile = name === 'beeline' ? options.profile : undefined
  const stage = await setStage({ name, side, servers, profile })
  try {
    if (profile) await countStatements(stage.database)
    const own = side.wait && work === 'wait' ? await createLoad(servers.folder, side.wait) : load
    const measures = await run(stage, own, { ...options, folder: servers.folder })
    if (profile) for (const line of await listStatements(stage.database)) say(line)
    return measures
  } catch (cause) {
    throw new Error(`${work}, ${name}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  } finally {
    await stage.close()
  }
}

function summary({ rate, p50, p99, errors, cpu, memory, lag }: Measures): string {
  return [
    `${rate.toFixed(0)}/s`,
    ...(p50 !== undefined && p99 !== undefined ? [`p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} ms`] : []),
    `CPU ${sum(cpu).toFixed(3)} s/1000`,
    ...(memory ? [`${memory.toFixed(0)} MB`] : []),
    ...(lag ? [`longest to the row ${lag.toFixed(0)} ms`] : []),
    ...(errors ? [`${errors} ERRORS`] : [])
  ].join('  ')
}

try {
  await bench(readOptions(process.env))
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}

/** `make chaos`: SUBMISSIONS=2000 SEEDS=1,2,3 GATEWAYS=2 CONSUMERS=2 RATE=200 FAULTS='FLUSHALL,gateway kill -9' MUTANT=…; ends with 1 when a promise was broken. */
import { type ChaosReport, runChaos } from './run.js'

const say = (line: string) => void process.stdout.write(`${line}\n`)

function readCount(name: string, preset: number): number {
  const value = Number(process.env[name] || preset)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} must be a whole number from 1`)
  return value
}

async function main(): Promise<number> {
  const { SEEDS = process.env.SEED || '1,2,3', MUTANT: mutant, FAULTS } = process.env
  const faults = FAULTS ? FAULTS.split(',') : undefined
  const submissions = readCount('SUBMISSIONS', 2_000)
  const shape = {
    gateways: readCount('GATEWAYS', 2),
    consumers: readCount('CONSUMERS', 2),
    rate: readCount('RATE', 200)
  }
  let broken = 0
  for (const seed of SEEDS.split(',').map(Number)) {
    say(`seed ${seed}: ${submissions} submissions${mutant ? `, without a rule: ${mutant}` : ''}`)
    const ends: (() => unknown)[] = []
    const scope = { teardown: (end: () => unknown) => void ends.unshift(end) }
    try {
      const report = await runChaos(scope, {
        seed,
        submissions,
        ...shape,
        ...(mutant && { mutant }),
        ...(faults && { faults }),
        say
      })
      tell(report)
      broken += report.lost.length + report.doubled.length + report.broken.length
    } finally {
      for (const end of ends) await end()
    }
  }
  say(broken ? `${broken} broken promises` : 'every promise was kept')
  return broken ? 1 : 0
}

function tell(report: ChaosReport) {
  const { accepted, unknown, repeats, waits, faults, restarts, extraAttempts, settleMs } = report
  const { lost, doubled, broken } = report
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts]
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  waits.sort((a, b) => a - b)
  const wait = (share: number) => `${Math.round(waits[Math.floor(share * (waits.length - 1))] ?? 0)} ms`
  say(`  accepted ${accepted}, unknown ${unknown}, requests repeated ${repeats}; p50 ${wait(0.5)}, p99 ${wait(0.99)}`)
  say(`  faults ${[...faults.values()].reduce((sum, count) => sum + count, 0)}: ${list(faults)}; ${restarts} restarts`)
  say(
    `  lost ${lost.length}, doubled ${doubled.length}, other ${broken.length}, attempts beyond the first ${extraAttempts}`
  )
  say(`  dead: ${list(report.dead)}`)
  say(`  settled ${settleMs === undefined ? 'never' : `${(settleMs / 1_000).toFixed(1)} s after the last fault`}`)
  for (const [kind, cases] of Object.entries({ lost, doubled, broken })) {
    for (const line of cases.slice(0, 20)) say(`  ${kind}: ${line}`)
    if (cases.length > 20) say(`  ${kind}: and ${cases.length - 20} more`)
  }
}

// whatever of the harness is still open, the reckoning is done
process.exit(await main())

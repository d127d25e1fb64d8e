/** A chaos run can fail: without a rule it reports what that rule prevents. */
import t from 'tap'
import { copyBuild } from '../helpers/build-copy.js'
import { MUTANTS } from './mutants.js'
import { type ChaosReport, runChaos } from './run.js'

const broken = ({ lost, doubled }: ChaosReport) => lost.length + doubled.length

/** Each with the faults that its rule is there for. The others take longer to be seen: `make chaos MUTANT=…`. */
const EXPECTED: [mutant: string, faults: string[], sees: (report: ChaosReport) => number][] = [
  ['no-state-guard', ['Redis goes back in time', 'consumer kill -9'], ({ doubled }) => doubled.length],
  ['no-relay', ['redis kill -9', 'FLUSHALL'], ({ lost }) => lost.length],
  ['answer-before-commit', ['gateway kill -9', 'postgres kill -9'], broken]
]

for (const [mutant, faults, sees] of EXPECTED) {
  t.test(`${mutant} is seen`, async (t) => {
    const report = await runChaos(t, { seed: 1, submissions: 600, rate: 100, mutant, faults, patience: 15_000 })
    t.ok(sees(report), `lost ${report.lost.length}, doubled ${report.doubled.length}`)
  })
}

t.test('every mutant still fits the code', async (t) => {
  for (const replacements of Object.values(MUTANTS)) await t.resolves(copyBuild(t, replacements))
})

t.test('a mutant that no longer fits is refused', async (t) => {
  const stale = { file: 'plugins/ledger/queries/attempts.js', from: 'no such text', to: '' }
  await t.rejects(copyBuild(t, [stale]), /has 0 times, not once: no such text/)
})

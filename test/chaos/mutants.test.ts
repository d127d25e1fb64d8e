/** A chaos run can fail: without a rule it reports what that rule prevents. */
import t from 'tap'
import { copyBuild } from '../helpers/build-copy.js'
import { MUTANTS } from './mutants.js'
import { type ChaosReport, runChaos } from './run.js'

const EXPECTED: [mutant: string, sees: (report: ChaosReport) => unknown][] = [
  ['no-state-guard', ({ doubled }) => doubled.length],
  ['no-relay', ({ lost }) => lost.length],
  ['answer-before-commit', ({ lost, doubled }) => lost.length + doubled.length]
]

for (const [mutant, sees] of EXPECTED) {
  t.test(`${mutant} is seen`, async (t) => {
    const report = await runChaos(t, { seed: 1, submissions: 500, rate: 60, mutant, patience: 10_000 })
    t.ok(sees(report), `lost ${report.lost.length}, doubled ${report.doubled.length}`)
  })
}

t.test('every mutant still fits the code', async (t) => {
  for (const replacements of Object.values(MUTANTS)) await t.resolves(copyBuild(t, replacements))
})

t.test('a mutant that no longer fits is refused', async (t) => {
  const stale = { file: 'plugins/ledger/queries.js', from: 'no such text', to: '' }
  await t.rejects(copyBuild(t, [stale]), /has 0 times, not once: no such text/)
})

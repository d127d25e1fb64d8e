/** The short form of `make chaos`: everything breaks at random, and every promise is kept. */
import t from 'tap'
import { runChaos } from './run.js'

for (const seed of [1, 2]) {
  t.test(`of 2,000 submissions under faults from seed ${seed} none is lost or doubled`, async (t) => {
    const report = await runChaos(t, { seed, submissions: 2_000, say: (line) => t.comment(line) })
    const { lost, doubled, broken, accepted, faults, settleMs } = report
    t.strictSame({ lost, doubled, broken }, { lost: [], doubled: [], broken: [] })
    t.ok(accepted > 1_500, `${accepted} were accepted`)
    t.ok([...faults.values()].reduce((sum, count) => sum + count, 0) >= 5, 'things were broken')
    t.type(settleMs, 'number')
  })
}

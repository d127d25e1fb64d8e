/** Effects that are written badly: a `store` that does not come back, or passes over what Postgres says (design rules 4 and 5). */
import t from 'tap'
import { accept, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'

const stack = await startFaultStack(t)
const { db } = stack
const gateway = await stack.gateway()
const consumer = await stack.consumer()
t.teardown(() => consumer.kill('SIGTERM'))

for (const form of ['probe', 'probe-stored']) {
  t.test(
    `a store of ${form} that never comes back fails its attempts, and holds up its own type alone for a while`,
    async (t) => {
      const lost = await accept(gateway, { form, marker: 'lost', action: 'lost-store' })
      const others = await Promise.all(
        Array.from({ length: 20 }, (_, n) => accept(gateway, { form, marker: `beside ${n}` }))
      )
      t.ok((await settled(db, others)).every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
      await settled(db, [lost], 120_000)
      t.match(await readJob(db, lost), { state: 'dead', attempts: 3, effects: 0 })
    }
  )

  t.test(`a store of ${form} that passes over what Postgres refused has stored nothing`, async (t) => {
    const deaf = await accept(gateway, { form, marker: 'deaf', action: 'deaf-store' })
    await settled(db, [deaf])
    t.match(await readJob(db, deaf), { state: 'dead', attempts: 3, effects: 0, error: { code: 'HANDLER_FAILED' } })
  })
}

/** Effects that cannot be written: of one job, whatever was to be committed with it (design rules 4 and 5). */
import t from 'tap'
import { accept, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'

const stack = await startFaultStack(t)
const { db } = stack
const gateway = await stack.gateway()
const consumer = await stack.consumer()
t.teardown(() => consumer.kill('SIGTERM'))

for (const form of ['probe', 'probe-stored']) {
  for (const [what, action] of [
    ['takes too long', 'slow-store'],
    ['cannot be sent', 'odd-store']
  ]) {
    t.test(
      `a statement of ${form} that ${what} fails its own job; those beside it, of its type and others, are stored`,
      async (t) => {
        const bad = await accept(gateway, { form, marker: 'bad effect', action })
        const others = await Promise.all(
          Array.from({ length: 20 }, (_, n) =>
            accept(gateway, { form: n % 2 ? form : 'contact', marker: `beside ${n}` })
          )
        )
        t.ok((await settled(db, others)).every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
        await settled(db, [bad], 120_000)
        t.match(await readJob(db, bad), { state: 'dead', attempts: 3, effects: 0, error: { code: 'HANDLER_FAILED' } })
      }
    )
  }
}

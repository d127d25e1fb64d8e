/** Handlers that answer nonsense, or take their process with them: each has its end. */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, settled, startFaultStack } from '../helpers/fault-stack.js'

const stack = await startFaultStack(t)
const { db } = stack
const gateway = await stack.gateway()

t.test(
  'odd ends are ends: a result too large, none, or one that breaks its schema; a text that was thrown',
  async (t) => {
    const consumer = await stack.consumer()
    const codes = {
      huge: 'RESULT_TOO_LARGE',
      undefined: 'RESULT_INVALID',
      wrong: 'RESULT_INVALID',
      text: 'HANDLER_FAILED',
      nothing: 'HANDLER_FAILED'
    }
    const ids = await Promise.all(
      Object.keys(codes).map((action) => accept(gateway, { marker: `odd ${action}`, action }))
    )
    const neighbours = await Promise.all([1, 2, 3].map((n) => accept(gateway, { marker: `beside odd ${n}` })))
    t.ok((await settled(db, neighbours)).every(({ state }) => state === 'succeeded'))
    const jobs = await settled(db, ids)
    t.strictSame(
      ids.map((id) => jobs.find((job) => job.id === id)?.error?.code),
      Object.values(codes)
    )
    t.ok(jobs.every(({ state, attempts }) => state === 'dead' && attempts === 3))
    await consumer.kill('SIGTERM')
  }
)

t.test('a handler that fills the memory ends its process, and after its attempts is dead; others go on', async (t) => {
  const small = await stack.consumer({ NODE_OPTIONS: '--max-old-space-size=96' })
  const id = await accept(gateway, { marker: 'fills', action: 'fill', form: 'probe-brief' })
  const neighbour = await accept(gateway, { marker: 'beside the full' })
  const { code } = await small.exited
  t.not(code, 0)
  // the second attempt may come before it listens
  const again = await small.restart().then(
    () => small.exited,
    () => undefined
  )
  t.not(again?.code, 0)
  const consumer = await stack.consumer()
  t.match(await settled(db, [id]), [{ state: 'dead', attempts: 2, error: { code: 'CONSUMER_LOST' } }])
  t.match(await settled(db, [neighbour]), [{ state: 'succeeded' }])
  await consumer.kill('SIGTERM')
})

t.test('progress beyond its bounds harms nobody', async (t) => {
  const consumer = await stack.consumer()
  const ids = await Promise.all([
    accept(gateway, { marker: 'beyond', action: 'beyond', ms: 2_500 }),
    accept(gateway, { marker: 'beside beyond', action: 'sleep', ms: 8_000 })
  ])
  await eventually(async () => {
    const { status, progress } = Object(await (await fetch(`${gateway.url}/async/probe/${ids[0]}`)).json())
    assert.equal(status, 'active')
    assert.equal(progress, 0)
  })
  t.ok((await settled(db, ids)).every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
  await consumer.kill('SIGTERM')
})

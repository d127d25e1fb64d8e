/** A consumer that can no longer work ends, so that whoever runs it starts a healthy one (design rule 9). */
import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, readJob, settled, startFaultStack } from '../helpers/fault-stack.js'
import { startLine, through } from '../helpers/proxy.js'

const stack = await startFaultStack(t)
const { db, redis } = stack
const gateway = await stack.gateway()

t.test('a consumer whose popping connection is dead, unnoticed, ends non-zero while work waits', async (t) => {
  const line = await startLine(t, redis.port)
  const deaf = await stack.consumer({ REDIS_URL: through(redis.url, line) })
  await settled(db, [await accept(gateway, { marker: 'before' })])
  const popping = await eventually(() => {
    const chosen = [...line.links].filter(({ sent }) => sent.toLowerCase().includes('blmove'))
    assert.ok(chosen.length > 1, 'it pops')
    return chosen
  })
  for (const link of popping) link.silent = true
  // Redis hands the first ones to connections that nobody hears; what comes after them waits
  const ids = await Promise.all(Array.from({ length: 30 }, (_, n) => accept(gateway, { marker: `unheard ${n}` })))
  assert.equal((await fetch(`${deaf.url}/healthz`)).status, 200)
  t.equal((await deaf.exited).code, 1)
  t.ok(
    deaf.lines.some((line) => line.includes('nothing was taken for')),
    'it says why'
  )
  line.pass()
  await deaf.restart()
  t.ok((await settled(db, ids)).every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
  await deaf.kill('SIGTERM')
})

t.test('a consumer whose event loop is blocked is ended by a thread of its own, and its job comes back', async (t) => {
  const blocked = await stack.consumer()
  const id = await accept(gateway, { marker: 'blocked', action: 'block', ms: 120_000 })
  t.equal((await blocked.exited).signal, 'SIGKILL')
  t.ok(
    blocked.lines.some((line) => line.includes('the event loop is blocked')),
    'it says why'
  )
  t.match(await readJob(db, id), { state: 'active', attempts: 1 })
  await db.query(`update jobs set payload = jsonb_set(payload, '{data,ms}', '1') where id = $1`, [id])
  await blocked.restart()
  t.match(await settled(db, [id]), [{ state: 'succeeded', attempts: 2 }])
  await blocked.kill('SIGTERM')
})

t.test('a consumer that was frozen as a whole is not taken for a broken one', async (t) => {
  const frozen = await stack.consumer()
  await frozen.kill('SIGSTOP')
  const id = await accept(gateway, { marker: 'after the freeze' })
  await new Promise((resolve) => setTimeout(resolve, 15_000))
  await frozen.kill('SIGCONT')
  const { pid } = frozen
  await settled(db, [id])
  t.equal(frozen.pid, pid)
  t.equal((await fetch(`${frozen.url}/readyz`)).status, 200)
  await frozen.kill('SIGTERM')
  t.equal((await frozen.exited).code, 0)
})

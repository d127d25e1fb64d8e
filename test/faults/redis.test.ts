/** Redis dies, forgets, freezes: accepting never waits for it, and every accepted job succeeds once (design rules 1, 7, 8). */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { accept, settled, startFaultStack, submit } from '../helpers/fault-stack.js'

const stack = await startFaultStack(t)
const { db, redis } = stack
const [gateway] = await Promise.all([stack.gateway(), stack.consumer()])

/** Submits again and again until told otherwise; answers the ids. */
function keepSubmitting(marker: string) {
  const stopping = new AbortController()
  const run = async () => {
    const ids: string[] = []
    for (let n = 0; !stopping.signal.aborted; n++) {
      const form = ['contact', 'probe', 'probe-batch'][n % 3] ?? ''
      ids.push(await accept(gateway, { marker: `${marker} ${n}`, form }))
      await sleep(50)
    }
    return ids
  }
  const running = run()
  return () => {
    stopping.abort()
    return running
  }
}

async function command(name: string, ...args: string[]) {
  const client = new Redis(redis.url)
  await client.call(name, ...args)
  client.disconnect()
}

t.test('jobs accepted while Redis was dead succeed once it is back without its data', async (t) => {
  const stop = keepSubmitting('dead')
  await sleep(300)
  await redis.kill()
  await sleep(2_000)
  // every answer up to here came without Redis
  const ids = await stop()
  t.ok(ids.length > 10)
  await redis.start()
  const jobs = await settled(db, ids)
  t.ok(jobs.every(({ state }) => state === 'succeeded'))
})

t.test('jobs succeed once although Redis loses everything while they wait and run', async (t) => {
  const stop = keepSubmitting('flushed')
  for (let n = 0; n < 4; n++) {
    await sleep(400)
    await command('flushall')
  }
  const jobs = await settled(db, await stop())
  t.ok(jobs.every(({ state, attempts }) => state === 'succeeded' && attempts === 1))
})

t.test(
  'submissions are answered while Redis is frozen for 10 s, and the limits do not mistake them for a backlog',
  async (t) => {
    const limited = await stack.gateway({ OPEN_JOBS_PER_OWNER: '60' })
    await redis.freeze()
    const stop = keepSubmitting('frozen')
    await sleep(10_000)
    const ids = await stop() // the last answers, too, came before the thaw
    await redis.thaw()
    t.ok(ids.length > 50)
    const jobs = await settled(db, ids)
    t.ok(jobs.every(({ state }) => state === 'succeeded'))
    // by now nothing is open, and the gateway must have noticed
    const later = [await eventually(() => accept(limited, { marker: 'after the frost' }))]
    for (let n = 0; n < 40; n++) {
      later.push(await eventually(() => accept(limited, { marker: `later ${n}` })))
    }
    await settled(db, later)
    await limited.kill('SIGTERM')
  }
)

t.test('work goes on after Redis forgot its scripts or closed every connection', async (t) => {
  const ids: string[] = []
  for (const [n, [name, ...args]] of [
    ['script', 'flush'],
    ['client', 'kill', 'type', 'normal'],
    ['script', 'flush']
  ].entries()) {
    await command(name ?? '', ...args)
    ids.push(await accept(gateway, { marker: `forgotten ${n}` }))
  }
  const jobs = await settled(db, ids)
  t.ok(jobs.every(({ state }) => state === 'succeeded'))
})

t.test('the direct way needs no Redis, and a gateway starts without it', async (t) => {
  await redis.kill()
  const alone = await stack.gateway()
  t.equal((await submit(alone, { form: 'contact', marker: 'direct', mode: 'sync' })).status, 201)
  const id = await accept(alone, { marker: 'queued' })
  t.equal((await fetch(`${alone.url}/readyz`)).status, 503)
  await redis.start()
  await settled(db, [id])
  await eventually(async () => assert.equal((await fetch(`${alone.url}/readyz`)).status, 200))
})

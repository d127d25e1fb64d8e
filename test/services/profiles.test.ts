import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startConsumer, startGateway } from '../helpers/processes.js'
import { readProfile } from '../helpers/profiles.js'
import { CONTACT, clientOf, idOf, startServers } from '../helpers/stack.js'
import { startSteadyLoad } from '../helpers/steady-load.js'
import { fourWorkers, startCluster, workersOf } from '../helpers/workers.js'

const servers = await startServers(t)
const start = (t: Test, env = {}) => startCluster(t, { ...servers.env, ...env })

t.test('A7 C1 D8 the profile cluster runs four processes on one port; a killed one is replaced', async (t) => {
  const { PORT, WEB_CONCURRENCY } = await readProfile('cluster')
  t.strictSame([PORT, WEB_CONCURRENCY], ['5000', '4'])
  const gateway = await start(t)
  const workers = await fourWorkers(gateway)
  t.notOk(workers.includes(gateway.pid), 'the first process only hands on')
  const load = startSteadyLoad(gateway.url)
  await eventually(() => assert.ok(load.ids.length > 200))
  const [victim = 0] = workers
  process.kill(victim, 'SIGKILL')
  const now = await fourWorkers(gateway, [victim])
  t.equal(now.filter((pid) => workers.includes(pid)).length, 3, 'the others went on')
  await load.stop()
  const broken = [...load.outcomes].filter(([outcome]) => outcome !== '201').reduce((sum, [, n]) => sum + n, 0)
  t.ok(broken <= 16, `only what the killed one held broke: ${broken}`)

  const { get } = clientOf(() => gateway.url)
  const busy = new Set<unknown>()
  await eventually(async () => {
    await Promise.all(Array.from({ length: 20 }, () => get('/api/health', { connection: 'close' })))
    for (const line of gateway.lines) if (line.includes('"answered"')) busy.add(JSON.parse(line).pid)
    assert.ok(now.every((pid) => busy.has(pid)))
  })
  t.pass('each of them answers')
})

t.test(
  'A8 the profile tuned: four processes, 30 s for a request, an idle connection is closed after 5 s',
  async (t) => {
    const { PORT, ...tuned } = await readProfile('tuned')
    t.match(tuned, { REQUEST_TIMEOUT_MS: '30000', KEEP_ALIVE_MS: '5000' })
    const gateway = await start(t, tuned)
    await fourWorkers(gateway)
    const { hostname, port } = new URL(gateway.url)
    const { connect } = await import('node:net')
    const idle = (first: string) =>
      new Promise<{ ms: number; answer: string }>((resolve, reject) => {
        const socket = connect(Number(port), hostname, () => socket.write(first))
        let since = Date.now()
        let answer = ''
        socket.on('data', (data) => {
          answer += data
          since = Date.now()
        })
        socket.on('error', reject)
        socket.on('close', () => resolve({ ms: Date.now() - since, answer }))
      })
    const [kept, slow] = await Promise.all([
      idle('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'),
      idle(
        'POST /sync/contact HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n{"name"'
      )
    ])
    t.match(kept.answer, /^HTTP\/1.1 200/)
    t.ok(kept.ms > 4_000 && kept.ms < 60_000, `closed after ${kept.ms} ms, not after the 72 s of the default`)
    t.match(slow.answer, /^HTTP\/1.1 408/, 'a request that does not arrive is given up')
  }
)

t.test('A9 the profile single: one process', async (t) => {
  const { PORT, ...single } = await readProfile('single')
  t.equal(PORT, '8000')
  const gateway = await startGateway(t, { ...servers.env, ...single })
  t.strictSame(await workersOf(gateway), [gateway.pid])
})

t.test('D8 with several gateways of several processes a job is waited for, followed and done once', async (t) => {
  const gateway = await start(t)
  const consumer = await startConsumer(t, servers.env)
  const { post, get } = clientOf(() => gateway.url)
  const ids = await Promise.all(
    Array.from({ length: 40 }, async () =>
      idOf(await post('/async/contact', CONTACT, { 'idempotency-key': 'same', connection: 'close' }))
    )
  )
  t.equal(new Set(ids).size, 1, 'one key is one job, whichever process is asked')
  await eventually(async () => assert.match(await (await get(`/async/contact/${ids[0]}`)).text(), /succeeded/))
  t.ok(consumer.pid)
})

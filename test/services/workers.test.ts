import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { isPortFree } from '../../infra/local/ports.js'
import { isProcess } from '../../infra/local/process-list.js'
import { eventually } from '../helpers/eventually.js'
import { type Process, startConsumer, startGateway } from '../helpers/processes.js'
import { readProfile } from '../helpers/profiles.js'
import { CONTACT, clientOf, countRows, idOf, startServers } from '../helpers/stack.js'
import { startSteadyLoad } from '../helpers/steady-load.js'

const servers = await startServers(t)
const { PORT, ...cluster } = await readProfile('cluster')

/** Those that listen now, as their log lines tell. */
const workersOf = async ({ lines }: Process): Promise<number[]> => {
  const listening = lines
    .filter((line) => line.includes('Server listening'))
    .map((line) => Number(JSON.parse(line).pid))
  const alive = await Promise.all(listening.map((pid) => isProcess(pid, /server\.js/)))
  return listening.filter((_, i) => alive[i])
}
const fourWorkers = (gateway: Process, besides: number[] = []) =>
  eventually(
    async () => {
      const workers = await workersOf(gateway)
      assert.equal(workers.filter((pid) => !besides.includes(pid)).length, 4)
      assert.equal(workers.length, 4)
      return workers
    },
    { timeout: 30_000 }
  )
const start = (t: Test, env = {}) => startGateway(t, { ...servers.env, ...cluster, ...env })

t.test('A7 C1 D8 the profile cluster runs four processes on one port; a killed one is replaced', async (t) => {
  t.equal(PORT, '5000')
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

t.test('A7 SIGTERM drains all processes: no request breaks, exit 0, no process, socket or file is left', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const gateway = await start(t, { TMPDIR: folder })
  const workers = await fourWorkers(gateway)
  const before = await readdir('.')
  const load = startSteadyLoad(gateway.url)
  await eventually(() => assert.ok(load.ids.length > 200))
  await gateway.kill('SIGTERM')
  const stored = load.ids.length
  await load.stop()
  const outcomes = [...load.outcomes.keys()].filter((outcome) => outcome !== '201')
  // afterwards nobody listens: that is no broken request
  t.ok(
    outcomes.every((outcome) => outcome.includes('ECONNREFUSED')),
    outcomes.join()
  )
  t.ok(stored > 0)
  t.match(await gateway.exited, { code: 0 })
  for (const pid of workers) t.notOk(await isProcess(pid, /server\.js/), 'no process is left')
  t.ok(await isPortFree(Number(new URL(gateway.url).port)), 'nor what listens')
  t.strictSame(await readdir(folder), [], 'nor a file')
  t.strictSame(await readdir('.'), before)
})

t.test('A7 SIGHUP replaces all processes under load, and no request is answered with an error', async (t) => {
  const gateway = await start(t)
  const workers = await fourWorkers(gateway)
  const before = (await countRows(servers.sql)).submissions
  const load = startSteadyLoad(gateway.url)
  await eventually(() => assert.ok(load.ids.length > 100))
  process.kill(gateway.pid, 'SIGHUP')
  const now = await fourWorkers(gateway, workers)
  await eventually(() => assert.ok(gateway.lines.some((line) => line.includes('all processes are replaced'))))
  await load.stop()
  t.strictSame([...load.outcomes.keys()], ['201'])
  t.equal((await countRows(servers.sql)).submissions - before, load.ids.length, 'each is stored once')
  t.strictSame(
    now.filter((pid) => workers.includes(pid)),
    [],
    'all are new'
  )
})

t.test('A7 SIGHUP while all are being replaced replaces them once more, and says so', async (t) => {
  const gateway = await start(t)
  await fourWorkers(gateway)
  const count = (words: string) => gateway.lines.filter((line) => line.includes(words)).length
  process.kill(gateway.pid, 'SIGHUP')
  await eventually(() => assert.equal(count('replacing all processes'), 1))
  process.kill(gateway.pid, 'SIGHUP')
  await eventually(() => assert.equal(count('once more afterwards'), 1))
  t.equal(count('all processes are replaced'), 0, 'the first time was not over')
  const between = await eventually(
    async () => {
      assert.equal(count('all processes are replaced'), 1)
      return workersOf(gateway)
    },
    { timeout: 30_000 }
  )
  await eventually(() => assert.equal(count('all processes are replaced'), 2), { timeout: 30_000 })
  await fourWorkers(gateway, between)
  t.equal(count('replacing all processes, one by one'), 2, 'and that is all')
})

t.test('SIGHUP does not end a service of one process: it says what would replace it, and goes on', async (t) => {
  const services = [await startGateway(t, servers.env), await startConsumer(t, servers.env)]
  for (const [service, remedy] of [
    [services[0], 'WEB_CONCURRENCY=2 or a profile of several does'],
    [services[1], 'a restart does']
  ] as const) {
    assert.ok(service)
    process.kill(service.pid, 'SIGHUP')
    await eventually(() => {
      const said = service.lines.find((line) => line.includes('SIGHUP'))
      assert.equal(JSON.parse(said ?? '{}').msg, `SIGHUP: one process cannot be replaced, it goes on; ${remedy}`)
    })
    t.equal((await fetch(`${service.url}/healthz`)).status, 200)
    await service.kill('SIGTERM')
    t.match(await service.exited, { code: 0 })
  }
})

t.test('one that dies while its successor starts is not replaced twice', async (t) => {
  const gateway = await start(t)
  const workers = await fourWorkers(gateway)
  process.kill(gateway.pid, 'SIGHUP')
  await eventually(() => assert.ok(gateway.lines.some((line) => line.includes('replacing all processes'))))
  const [first = 0] = workers
  process.kill(first, 'SIGKILL')
  await eventually(() => assert.ok(gateway.lines.some((line) => line.includes('all processes are replaced'))), {
    timeout: 30_000
  })
  const now = await fourWorkers(gateway, workers)
  await sleep(2_000) // who was started for nothing would listen by then
  t.strictSame(await workersOf(gateway), now)
})

t.test('a connection on its way to a process that is killed breaks, it does not hang', async (t) => {
  const gateway = await start(t)
  const [frozen = 0] = await fourWorkers(gateway)
  process.kill(frozen, 'SIGSTOP')
  const outcomes: string[] = []
  const ask = async () => {
    const signal = AbortSignal.timeout(10_000)
    const answer = fetch(`${gateway.url}/healthz`, { headers: { connection: 'close' }, signal })
    outcomes.push(await answer.then(({ status }) => String(status)).catch(({ name }: Error) => name))
  }
  const asked = Promise.all(Array.from({ length: 8 }, ask))
  await eventually(() => assert.equal(outcomes.length, 7))
  process.kill(frozen, 'SIGKILL')
  await asked
  t.strictSame(outcomes, [...Array.from({ length: 7 }, () => '200'), 'TypeError'], 'and is no time-out')
})

t.test('a first process that is killed takes the others with it', async (t) => {
  const gateway = await start(t)
  const workers = await fourWorkers(gateway)
  await gateway.kill('SIGKILL')
  await eventually(async () => {
    for (const pid of workers) assert.equal(await isProcess(pid, /server\.js/), false)
  })
  t.pass('none is left')
})

t.test('a start that cannot succeed ends at once, with the same line as that of a single process', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const port = String(Object(server.address()).port)
  const error = await start(t, { PORT: port }).catch((error: Error) => error)
  const lines = error instanceof Error ? error.message.split('\n') : []
  t.strictSame(
    lines.filter((line) => !line.startsWith('{')),
    ['it ended with code 1', `port ${port} on 127.0.0.1 is taken: stop what listens there, or set another PORT`]
  )
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

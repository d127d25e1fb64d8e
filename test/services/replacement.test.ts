import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startConsumer, startGateway } from '../helpers/processes.js'
import { countRows, startServers } from '../helpers/stack.js'
import { startSteadyLoad } from '../helpers/steady-load.js'
import { fourWorkers, startCluster, workersOf } from '../helpers/workers.js'

const servers = await startServers(t)
const start = (t: Test, env = {}) => startCluster(t, { ...servers.env, ...env })

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

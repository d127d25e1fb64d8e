import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { isPortFree } from '../../infra/local/ports.js'
import { isProcess } from '../../infra/local/process-list.js'
import { eventually } from '../helpers/eventually.js'
import type { Process } from '../helpers/processes.js'
import { startServers } from '../helpers/stack.js'
import { startSteadyLoad } from '../helpers/steady-load.js'
import { fourWorkers, startCluster } from '../helpers/workers.js'

const servers = await startServers(t)
const start = (t: Test, env = {}) => startCluster(t, { ...servers.env, ...env })

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

for (const signalled of ['the first process', 'each process']) {
  t.test(
    `A7 SIGTERM to ${signalled}: none ends before all take no new connection, one that is held up included`,
    async (t) => {
      const gateway = await start(t)
      const workers = await fourWorkers(gateway)
      const [slow = 0] = workers
      const load = startSteadyLoad(gateway.url, 100)
      await eventually(() => assert.ok(load.ids.length > 200))
      process.kill(slow, 'SIGSTOP')
      for (const pid of signalled === 'each process' ? workers : []) process.kill(pid, 'SIGTERM')
      process.kill(gateway.pid, 'SIGTERM')
      await sleep(600)
      process.kill(slow, 'SIGCONT')
      t.match(await gateway.exited, { code: 0 })
      await load.stop()
      const outcomes = [...load.outcomes.keys()].filter((outcome) => outcome !== '201')
      t.ok(
        outcomes.every((outcome) => outcome.includes('ECONNREFUSED')),
        outcomes.join()
      )
    }
  )
}

t.test('A7 SIGTERM while all are being replaced starts no further one', async (t) => {
  const gateway = await start(t)
  const workers = await fourWorkers(gateway)
  const held = await holdAll(gateway, workers)
  const started = () => gateway.lines.filter((line) => line.includes('Server listening')).length
  process.kill(gateway.pid, 'SIGHUP')
  await eventually(() => assert.equal(started(), 5))
  process.kill(gateway.pid, 'SIGTERM')
  await eventually(() => assert.ok(gateway.lines.some((line) => line.includes('"stopping"'))))
  const [replaced = 0] = workers
  held.get(replaced)?.end('}')
  await eventually(async () => assert.ok(!(await isProcess(replaced, /server\.js/))))
  await sleep(3_000) // it would listen by then
  for (const socket of held.values()) socket.end('}')
  t.match(await gateway.exited, { code: 0 })
  t.equal(started(), 5)
})

t.test('a process that is asked to stop alone ends as it should, and another takes its place', async (t) => {
  const gateway = await start(t)
  const [asked = 0, ...others] = await fourWorkers(gateway)
  process.kill(asked, 'SIGTERM')
  await eventually(async () => assert.ok(!(await isProcess(asked, /server\.js/))))
  const workers = await fourWorkers(gateway)
  const ended = await eventually(() => {
    const line = gateway.lines.find((line) => line.includes('takes its place'))
    return JSON.parse(line ?? '')
  })
  t.match(ended, { ended: asked, code: 0 })
  t.ok(
    others.every((pid) => workers.includes(pid)),
    'the others go on'
  )
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

/** A request that lacks its last byte, on a connection to each process. */
async function holdAll({ url, lines }: Process, workers: number[]): Promise<Map<number, Socket>> {
  const { hostname, port } = new URL(url)
  const held = new Map<number, Socket>()
  for (let i = 0; held.size < workers.length; i++) {
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(`GET /of/${i} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)
    const line = await eventually(() => lines.find((line) => line.includes(`/of/${i}"`)) ?? assert.fail())
    const { pid } = JSON.parse(line)
    if (held.has(pid)) {
      socket.destroy()
      continue
    }
    const head = [
      'POST /sync/contact HTTP/1.1',
      `host: ${hostname}`,
      'content-type: application/json',
      'content-length: 2'
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n{`)
    held.set(pid, socket)
  }
  return held
}

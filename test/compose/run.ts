/**
 * `make test-compose`: the containers for real. Up, submit, scale, kill, TLS, down and up again, clean. It needs an engine that has, or
 * can have, the images; COMPOSE_SETUP may name a script that sees to that.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { findCodeBlocks, readReadme } from '../docs/readme.js'
import { eventually } from '../helpers/eventually.js'
import { startSteadyLoad } from '../helpers/steady-load.js'
import { testCertificates } from './certificates.js'
import { startLoad } from './load.js'
import { testPlaces } from './places.js'
import { findMissing, prepareStack, setUp } from './stack.js'

const SUBMISSIONS = Number(process.env.SUBMISSIONS ?? 4_000)
const SERVICES = ['consumer', 'gateway', 'nginx', 'postgres', 'redis']
const run = promisify(execFile)

t.setTimeout(1_200_000) // first of all: to prepare an engine takes minutes
await setUp()
const missing = await findMissing()
if (missing) {
  process.stderr.write(`test-compose: ${missing}. make test needs none of this.\n`)
  process.exit(1)
}
const stack = await prepareStack()
t.teardown(async () => {
  await stack.make('clean')
  await run('docker', ['image', 'rm', '--force', `beeline:${stack.project}`, `beeline-nginx:${stack.project}`])
})
const isReady = (expected: Record<string, number> = {}) =>
  eventually(
    async () => {
      const running = (await stack.containers()).filter(({ Service }) => SERVICES.includes(Service))
      for (const name of SERVICES) {
        const count = running.filter(({ Service }) => Service === name).length
        assert.equal(count, expected[name] ?? 1, `${count} of ${name}`)
      }
      for (const { Service, State, Health } of running) assert.equal(`${State} ${Health}`, 'running healthy', Service)
    },
    { timeout: 90_000, pause: 500 }
  )

t.test('B16 A13 one command brings up healthy services and prints the address', async (t) => {
  t.match(await stack.make('up'), `${stack.url}/`)
  await isReady()
  t.strictSame(await (await fetch(`${stack.url}/api/health`)).json(), { status: 'ok' })
  t.equal((await fetch(`${stack.url}/sync/`, { headers: { accept: 'text/html' } })).status, 200, 'A10')
  const migrate = (await stack.containers()).find(({ Service }) => Service === 'migrate')
  t.equal(migrate?.State, 'exited')
})

t.test('B1 C5 A20 C1 where the containers are, and what they may', (t) => testPlaces(t, stack, SERVICES))

t.test('both curl examples of the README work', async (t) => {
  const commands = findCodeBlocks(await readReadme()).filter(({ code }) => code.includes('curl -i'))
  const [sync = '', async = ''] = await Promise.all(
    commands.slice(0, 2).map(async ({ code }) => {
      const { stdout } = await run('sh', ['-ec', code.replaceAll('http://127.0.0.1:3000', stack.url)])
      return stdout
    })
  )
  t.match(sync, /^HTTP\/1.1 201 /)
  t.match(async, /^HTTP\/1.1 202 /)
  await eventually(async () => {
    if ((await stack.count("from jobs where state = 'succeeded'")) !== 1) throw new Error('the job is not done')
  })
})

t.test('A18 C6 C7 the helper commands work on a running stack', async (t) => {
  for (const target of ['ps', 'logs', 'sh', 'migrate', 'seed', 'dead', 'prune']) {
    await t.resolves(stack.make(target), `make ${target}`)
  }
  t.match(await stack.make('psql', { SQL: 'select 40 + 2 as answer' }), /answer.*42/s)
  t.match(await stack.make('logs', { SERVICE: 'gateway' }), 'Server listening')
  t.match(await stack.make('logs', { SERVICE: 'nginx' }), '"path":"/api/health"', 'A12')
  t.match(await stack.make('migrate'), 'up to date')
  await isReady()
})

t.test('images that cannot be had leave what runs as it is', async (t) => {
  const ids = () => stack.compose('ps', '--quiet')
  const before = await ids()
  await t.rejects(stack.make('up', { REGISTRY: 'nowhere.invalid/library' }), /what was there before is left as it was/)
  t.equal(await ids(), before)
  await isReady()
})

t.test('D8 scale up and down under load: nginx finds who comes and misses nobody who goes', async (t) => {
  const before = await stack.count('from submissions')
  const load = startSteadyLoad(stack.url, 8)
  const scale = (gateway: number, consumer: number) =>
    stack.compose('up', '--detach', '--no-recreate', '--scale', `gateway=${gateway}`, '--scale', `consumer=${consumer}`)
  await scale(2, 3)
  await isReady({ gateway: 2, consumer: 3 })
  await eventually(
    async () => {
      const lines = await stack.compose('logs', '--no-log-prefix', '--tail', '2000', 'nginx')
      const asked = new Set([...lines.matchAll(/"upstream":"([\d.]+):3000"/g)].map(([, address]) => address))
      assert.equal(asked.size, 2, 'both gateways are asked')
    },
    { timeout: 30_000, pause: 500 }
  )
  await scale(1, 1)
  await isReady()
  const after = load.ids.length + 200
  await eventually(() => assert.ok(load.ids.length > after), { timeout: 30_000 })
  await load.stop()
  // a connection that nginx left while it read its list anew is its client's to try again
  const answers = [...load.outcomes.keys()].filter((outcome) => !/hang up|ECONNRESET/.test(outcome))
  t.strictSame(answers, ['201'], JSON.stringify([...load.outcomes]))
  t.equal((await stack.count('from submissions')) - before, load.ids.length)
})

t.test(`A4 ${SUBMISSIONS} submissions while every process is killed: none is lost, none doubled`, async (t) => {
  const load = startLoad(stack.url, SUBMISSIONS)
  const victims = ['consumer', 'gateway', 'redis', 'nginx', 'postgres', 'consumer', 'gateway']
  for (const [i, service] of victims.entries()) {
    const enough = ((i + 1) * SUBMISSIONS) / (victims.length + 2)
    await eventually(
      () => {
        if (load.accepted.size < enough)
          throw new Error(`only ${load.accepted.size} were accepted before ${service} is killed`)
      },
      { timeout: 60_000 }
    )
    await stack.kill(service)
    t.comment(`${service} killed after ${load.accepted.size} were accepted`)
  }
  await load.done
  t.equal(load.accepted.size, SUBMISSIONS)
  t.ok(load.repeated > 0, `the kills were felt: ${load.repeated} requests repeated`)
  await isReady()
  await eventually(
    async () => {
      const open = await stack.count("from jobs where state in ('queued', 'active')")
      if (open > 0) throw new Error(`${open} jobs are open`)
    },
    { timeout: 120_000, pause: 500 }
  )
  const stored = await stack.list("select id from submissions where data ->> 'email' = 'load@example.org'")
  t.strictSame(stored.sort(), [...load.accepted].sort(), 'each accepted one is stored, once, and nothing else')
  t.equal(await stack.count("from jobs where state <> 'succeeded'"), 0)
  for (const service of SERVICES) {
    const id = (await run('docker', ['ps', '-q', '-f', `name=${stack.project}-${service}-1`])).stdout.trim()
    const { stdout } = await run('docker', ['inspect', '-f', '{{.RestartCount}}', id])
    t.ok(Number(stdout) > 0, `${service} was restarted`)
  }
})

t.test('C5 services end by themselves when asked to; the data survive down and up', async (t) => {
  const before = await stack.count('from submissions')
  t.strictSame(await stack.stop('nginx', 'gateway', 'consumer'), [0, 0, 0], 'exit codes')
  await stack.make('down')
  t.strictSame(await stack.containers(), [], 'down leaves no container')
  t.test('A7 C1 with PROFILE=cluster the gateway has four processes', async (t) => {
    await stack.make('up', { PROFILE: 'cluster' })
    const services = await stack.inside('gateway', 'grep -l gateway/serve[r] /proc/[0-9]*/cmdline | wc -l')
    t.equal(Number(services), 5 + 1, 'with the one that hands on, and init')
    t.match(await stack.inside('nginx', 'cat /tmp/nginx/nginx.conf'), 'upstreams/cluster.conf')
  })
  t.test('and those of before are there', async (t) => {
    await stack.make('up')
    await isReady()
    t.equal(await stack.count('from submissions'), before)
  })
})

t.test('B13 B19 tasks by way of the gateway, and straight from Redis when switched on', async (t) => {
  const list = async () => (await fetch(`${stack.url}/api/tasks`)).headers.get('x-nginx-cache-status')
  const add = () =>
    fetch(`${stack.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"title": "Feed the bees"}'
    })
  await stack.make('up', { PUBLIC_TASKS: 'true' })
  t.strictSame([await list(), await list()], ['BYPASS', 'BYPASS'], 'off by default')
  await stack.make('up', { PUBLIC_TASKS: 'true', TASKS_SOURCE: 'redis' })
  await isReady()
  await list()
  t.equal(await list(), 'REDIS')
  t.equal((await add()).status, 201)
  t.strictSame([await list(), await list()], ['BYPASS', 'REDIS'], 'a write shows at once')
  t.not((await stack.inside('nginx', 'id -u')).trim(), '0', 'A20')
  await stack.make('up')
  await isReady()
})

t.test('C9 C10 certificates', (t) => testCertificates(t, stack))

t.test('clean leaves nothing', async (t) => {
  await stack.make('clean')
  const label = ['--filter', `label=com.docker.compose.project=${stack.project}`]
  for (const what of [
    ['ps', '--all', '--quiet'],
    ['volume', 'ls', '--quiet'],
    ['network', 'ls', '--quiet']
  ]) {
    t.equal((await run('docker', [...what, ...label])).stdout, '', `docker ${what.join(' ')}`)
  }
})

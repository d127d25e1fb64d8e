/** `make test-compose`: the containers for real. Up, submit, kill, down and up again, clean. It needs a Docker engine. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { findCodeBlocks, readReadme } from '../docs/readme.js'
import { eventually } from '../helpers/eventually.js'
import { startLoad } from './load.js'
import { findMissing, prepareStack } from './stack.js'

const SUBMISSIONS = Number(process.env.SUBMISSIONS ?? 4_000)
const SERVICES = ['consumer', 'gateway', 'postgres', 'redis']
const run = promisify(execFile)

const missing = await findMissing()
if (missing) {
  process.stderr.write(`test-compose: ${missing}. Start one, or run make test, which needs none.\n`)
  process.exit(1)
}
const stack = await prepareStack()
t.setTimeout(600_000)
t.teardown(async () => {
  await stack.make('clean')
  await run('docker', ['image', 'rm', '--force', `beeline:${stack.project}`])
})
const isReady = () =>
  eventually(
    async () => {
      const running = (await stack.containers()).filter(({ Service }) => SERVICES.includes(Service))
      if (running.length !== SERVICES.length) throw new Error(`only ${running.length} services are there`)
      for (const { Service, State, Health } of running) {
        if (State !== 'running' || Health !== 'healthy') throw new Error(`${Service} is ${State} ${Health}`)
      }
    },
    { timeout: 90_000, pause: 500 }
  )

t.test('B16 A13 one command brings up healthy services and prints the address', async (t) => {
  t.match(await stack.make('up'), stack.url)
  await isReady()
  t.equal((await fetch(`${stack.url}/api/health`)).status, 200)
  const migrate = (await stack.containers()).find(({ Service }) => Service === 'migrate')
  t.equal(migrate?.State, 'exited')
})

t.test('B1 A20 only the gateway has a port, nothing runs as root, nothing can be written to', async (t) => {
  const ports = (await stack.containers()).flatMap(({ Service, Publishers }) =>
    (Publishers ?? []).filter(({ PublishedPort }) => PublishedPort > 0).map(({ URL }) => `${Service} ${URL}`)
  )
  t.strictSame(ports, ['gateway 127.0.0.1'])
  for (const service of SERVICES) {
    t.not((await stack.inside(service, 'id -u')).trim(), '0', `${service} is not root`)
    await t.rejects(stack.inside(service, 'touch /here'), /Read-only/, `${service} has a read-only image`)
  }
})

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
  t.match(await stack.make('migrate'), 'up to date')
  await isReady()
})

t.test(`A4 ${SUBMISSIONS} submissions while every process is killed: none is lost, none doubled`, async (t) => {
  const load = startLoad(stack.url, SUBMISSIONS)
  const victims = ['consumer', 'gateway', 'redis', 'postgres', 'consumer', 'gateway']
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
  t.strictSame(await stack.stop('gateway', 'consumer'), [0, 0], 'exit codes')
  await stack.make('down')
  t.strictSame(await stack.containers(), [], 'down leaves no container')
  await stack.make('up')
  await isReady()
  t.equal(await stack.count('from submissions'), before)
})

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

import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { startGateway } from '../helpers/processes.js'
import { readProfile } from '../helpers/profiles.js'
import { countRows, startServers } from '../helpers/stack.js'
import { startSteadyLoad } from '../helpers/steady-load.js'

t.setTimeout(300_000)

if (withoutNginx) t.plan(0, withoutNginx)
else {
  const servers = await startServers(t)
  const env = { ...servers.env, TRUST_PROXY: '127.0.0.1' }

  /** Loads nginx while something happens behind it; every answer must be a stored row. */
  const unnoticed = async (t: Test, url: string, happens: () => Promise<void>) => {
    const before = (await countRows(servers.sql)).submissions
    const load = startSteadyLoad(url)
    await eventually(() => assert.ok(load.ids.length > 200))
    await happens()
    await load.stop()
    t.strictSame([...load.outcomes.keys()], ['201'], `${load.ids.length} submissions, each answered with success`)
    t.equal((await countRows(servers.sql)).submissions - before, load.ids.length, 'each is stored once')
  }

  t.test('A7 a rolling restart of two gateways behind nginx answers no request with an error', async (t) => {
    const gateways = await Promise.all([startGateway(t, env), startGateway(t, env)])
    const nginx = await startNginx(t, { gateways: gateways.map(({ url }) => url) })
    await unnoticed(t, nginx.url, async () => {
      for (const gateway of [...gateways, ...gateways, ...gateways]) await gateway.restart()
    })
  })

  t.test('A7 nor does one that replaces the processes of a single gateway one by one', async (t) => {
    const { PORT, ...cluster } = await readProfile('cluster')
    const gateway = await startGateway(t, { ...env, ...cluster })
    const nginx = await startNginx(t, { gateways: [gateway.url], env: { PROFILE: 'cluster' } })
    await unnoticed(t, nginx.url, async () => {
      process.kill(gateway.pid, 'SIGHUP')
      await eventually(() => assert.ok(gateway.lines.some((line) => line.includes('all processes are replaced'))), {
        timeout: 60_000
      })
    })
  })

  t.test('a reload of nginx answers no request with an error, and stores none twice', async (t) => {
    const gateway = await startGateway(t, env)
    const nginx = await startNginx(t, { gateways: [gateway.url] })
    const before = (await countRows(servers.sql)).submissions
    const load = startSteadyLoad(nginx.url)
    for (let i = 0; i < 3; i++) {
      const lines = nginx.errors.length
      process.kill(nginx.pid, 'SIGHUP')
      await eventually(() => assert.ok(nginx.errors.slice(lines).some((line) => line.includes('exited with code 0'))))
    }
    await load.stop()
    // an idle connection may be left by either side at any time; what was just sent on it was not read
    const answers = [...load.outcomes.keys()].filter((outcome) => !/hang up|ECONNRESET/.test(outcome))
    t.strictSame(answers, ['201'])
    t.equal((await countRows(servers.sql)).submissions - before, load.ids.length)
  })

  t.test('a gateway that is killed under load costs only what it held, and nginx goes on with the other', async (t) => {
    const gateways = await Promise.all([startGateway(t, env), startGateway(t, env)])
    const nginx = await startNginx(t, { gateways: gateways.map(({ url }) => url) })
    const load = startSteadyLoad(nginx.url)
    await eventually(() => assert.ok(load.ids.length > 200))
    await gateways[0]?.kill()
    const after = load.ids.length + 500
    await eventually(() => assert.ok(load.ids.length > after))
    await load.stop()
    const broken = [...load.outcomes].filter(([outcome]) => outcome !== '201')
    t.ok(
      broken.every(([outcome]) => outcome === '502'),
      'told as what it is'
    )
    t.ok(broken.reduce((sum, [, n]) => sum + n, 0) <= 32, JSON.stringify(broken))
  })
}

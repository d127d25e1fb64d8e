import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { copyProject } from '../helpers/project.js'

t.setTimeout(400_000)

t.test('D6 E1 npm run dev beside make deps reloads both services on an edit', async (t) => {
  const project = await copyProject(t)
  t.equal((await project.make('deps')).code, 0)
  t.strictSame(Object.keys((await project.runFile()).services).sort(), ['postgres', 'redis'])
  for (const [PORT, url] of Object.entries({ 4321: 'http://127.0.0.1:4321', '': 'http://127.0.0.1:5000' })) {
    t.match(await project.make('user', { NAME: 'ada', PORT }), { code: 0, output: `${url}/password#` })
  }

  const dev = project.start('npm', ['run', '--silent', 'dev'])
  t.teardown(() => dev.end())
  const listening = () => dev.lines.join('').match(/Server listening at/g)?.length ?? 0
  const health = async () => (await fetch(`${project.url}/healthz`)).headers.get('x-edited')
  await eventually(async () => assert.equal(await health(), null), { timeout: 120_000 })
  await eventually(() => assert.equal(listening(), 2), { timeout: 120_000 })

  const file = join(project.dir, 'plugins/health/index.ts')
  const source = await readFile(file, 'utf8')
  const edited = source.replace(
    "  app.get('/healthz'",
    "  app.addHook('onSend', async (_, reply) => void reply.header('x-edited', 'yes'))\n$&"
  )
  t.not(edited, source, 'the place to edit is there')
  await writeFile(file, edited)

  await eventually(async () => assert.equal(await health(), 'yes'), { timeout: 120_000 })
  await eventually(() => assert.equal(listening(), 4), { timeout: 120_000 })
  t.pass('gateway and consumer run the edited code')
})

import assert from 'node:assert/strict'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { awaitGivenServers } from '../../infra/local/given-servers.js'
import { eventually } from '../helpers/eventually.js'
import { withoutNginx } from '../helpers/nginx.js'
import { copyProject } from '../helpers/project.js'
import { startPostgres, startRedis } from '../helpers/services.js'

t.setTimeout(400_000)

t.test('below a folder that only its owner may enter it works too, as root and not', async (t) => {
  const project = await copyProject(t, { closed: true })
  const up = await project.make('up')
  t.equal(up.code, 0, up.output)
  t.equal((await fetch(`${project.url}/readyz`)).status, 200)
  if (process.getuid?.() === 0) {
    t.match(up.output, /closed to the user that runs Postgres .*copying/, 'said aloud')
    t.match(up.output, /new database cluster in .*is closed to its user/, 'said aloud')
    await t.rejects(stat(join(project.dir, '.data/postgres')))
  }
  const again = await project.make('up', { APP_NAME: 'Hive' })
  t.equal(again.code, 0, again.output)
  t.notMatch(again.output, /copying|new database/, 'the second start finds both')
  const clean = await project.make('clean')
  t.equal(clean.code, 0, clean.output)
  await t.rejects(stat(join(project.dir, '.data')))
})

t.test('with DATABASE_URL and REDIS_URL given it uses them and starts no server', async (t) => {
  const [project, postgres, redis] = await Promise.all([copyProject(t), startPostgres(t), startRedis(t)])
  const up = await project.make('up', {
    DATABASE_URL: postgres.url,
    DATABASE_OWNER_URL: postgres.ownerUrl,
    REDIS_URL: redis.url
  })
  t.equal(up.code, 0, up.output)
  const started = Object.keys((await project.runFile()).services).filter((name) => name !== 'nginx')
  t.strictSame(started.sort(), ['consumer', 'gateway'])
  t.notOk((await readdir(join(project.dir, '.data'))).includes('postgres'))
  t.notMatch(up.output, /sample data/, 'a database of the user gets none')
  t.match(await (await fetch(`${project.url}/readyz`)).json(), { postgres: 'up', redis: 'up' })
})

t.test('a server of the user that does not answer is named by its setting, without its password', async (t) => {
  const project = await copyProject(t)
  const given = {
    DATABASE_URL: 'postgres://ada:secret-word@127.0.0.1:1/x',
    REDIS_URL: 'redis://:secret-word@127.0.0.1:2'
  }
  const { code, output } = await project.make('up', given)
  t.not(code, 0)
  t.match(output, /^up: DATABASE_URL: nothing answers at 127\.0\.0\.1:1; start it, or take the setting out$/m)
  t.match(output, /^REDIS_URL: nothing answers at 127\.0\.0\.1:2; start it, or take the setting out$/m)
  t.notMatch(output, /secret-word|ECONNREFUSED|not ready/)
  await t.rejects(project.runFile())
  const others = { POSTGRESQL_HOST: '127.0.0.1:1', POSTGRESQL_DATABASE: 'x', REDIS_HOST: '127.0.0.1', REDIS_PORT: '2' }
  const waiting = awaitGivenServers({
    settings: { given: { postgres: true, redis: true }, environment: { ...others, SECRET_KEY: 'x'.repeat(32) } },
    say: () => {},
    signal: new AbortController().signal,
    patience: 0
  })
  await t.rejects(waiting, { message: /^POSTGRESQL_HOST: .*\nREDIS_HOST: .*$/ }, 'or by the other names')
})

t.test('ENGINE=docker without an engine says that, and does not blame the images', async (t) => {
  const project = await copyProject(t)
  const programs = join(project.dir, 'programs')
  await mkdir(programs)
  await writeFile(join(programs, 'docker'), '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n', {
    mode: 0o755
  })
  const { code, output } = await project.make('up', { ENGINE: 'docker', PATH: `${programs}:${process.env.PATH}` })
  t.not(code, 0)
  t.match(
    output,
    /^Cannot connect to the Docker daemon\nno Docker engine answers: start it, or run ENGINE=local make up$/m
  )
  t.notMatch(output, 'mirror')
})

t.test('B15 npm start runs the compiled code in the foreground and stops in order on a signal', async (t) => {
  const project = await copyProject(t)
  const started = project.start(process.execPath, ['build/infra/local/start.js'], { NODE_ENV: 'production' })
  await eventually(async () => assert.equal((await fetch(`${project.url}/readyz`)).status, 200), { timeout: 30_000 })
  const { services } = await eventually(async () => {
    const run = await project.runFile()
    assert.ok(withoutNginx ? run.services.gateway : run.services.nginx) // the last one to come
    return run
  })
  await started.end()
  for (const { pid } of Object.values(services)) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  t.match(started.lines.join(''), /Server listening at/, 'its logs go to the standard output')
})

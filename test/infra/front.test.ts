/** What stands in front of the gateway after `make up` without containers: nginx, where it is installed. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../helpers/eventually.js'
import { withoutNginx, withoutRedisModule } from '../helpers/nginx.js'
import { copyProject } from '../helpers/project.js'
import { startRedis } from '../helpers/services.js'

t.setTimeout(400_000)

t.test('A13 where nginx is not installed make up says so, and the gateway answers by itself', async (t) => {
  const project = await copyProject(t)
  const file = join(project.dir, 'infra/local/nginx.ts') // which make up compiles
  const code = await readFile(file, 'utf8')
  assert.ok(code.includes("['nginx']"))
  await writeFile(file, code.replace("['nginx']", "['nginx-that-nobody-has']"))

  const up = await project.make('up')
  t.equal(up.code, 0, up.output)
  t.match(up.output, /^nginx is not installed here: the gateway answers without it$/m)
  t.notMatch(up.output, project.nginx.url)
  t.strictSame(Object.keys((await project.runFile()).services).sort(), ['consumer', 'gateway', 'postgres', 'redis'])
  await t.rejects(fetch(project.nginx.url))
  const forged = await fetch(`${project.url}/sync/`, { headers: { 'x-forwarded-for': '198.51.100.9' } })
  t.equal(forged.status, 200)
  await eventually(async () => {
    const { output } = await project.make('logs', { SERVICE: 'gateway' })
    assert.match(output, /"path":"\/sync\/"/)
    assert.doesNotMatch(output, /198\.51\.100\.9/)
  })
  t.pass('and believes nobody on where a request comes from')
})

t.test('a port that was asked for and is taken is named in one line', { skip: withoutNginx }, async (t) => {
  const project = await copyProject(t)
  const port = Number(new URL(project.nginx.url).port)
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const up = await project.make('up')
  t.not(up.code, 0)
  t.match(
    up.output,
    `up: port ${port} on 127.0.0.1 is taken: choose another one with HTTP_PORT=${port + 1}, or stop what uses it`
  )
  t.notMatch(up.output, 'emerg')
})

t.test('B19 TASKS_SOURCE=redis make up: nginx answers the list from Redis', { skip: withoutRedisModule }, async (t) => {
  const project = await copyProject(t)
  const list = async () => {
    const { headers, status } = await fetch(`${project.nginx.url}/api/tasks`)
    return [status, headers.get('x-nginx-cache')]
  }
  const up = async (variables: Record<string, string>) => {
    const { code, output } = await project.make('up', variables)
    assert.equal(code, 0, output)
  }

  await t.test('B3 the samples first from the gateway, then from Redis, and what was added at once', async (t) => {
    await up({ TASKS_SOURCE: 'redis' })
    t.strictSame(
      [await list(), await list()],
      [
        [200, 'BYPASS'],
        [200, 'REDIS']
      ]
    )
    const added = await fetch(`${project.nginx.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"title":"Feed the bees"}'
    })
    t.equal(added.status, 201)
    const after = await fetch(`${project.nginx.url}/api/tasks`)
    t.match(await after.json(), { source: 'postgres', items: [{ title: 'Feed the bees' }, {}, {}] })
    t.strictSame(await list(), [200, 'REDIS'])
  })

  await t.test('of the Redis that the gateway uses, by whatever names it was set', async (t) => {
    const redis = await startRedis(t)
    await up({ TASKS_SOURCE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) })
    t.strictSame(
      [await list(), await list()],
      [
        [200, 'BYPASS'],
        [200, 'REDIS']
      ]
    )
    const unfit = { TASKS_SOURCE: 'redis', REDIS_URL: `redis://:word@127.0.0.1:${redis.port}` }
    t.match((await project.make('up', unfit)).output, 'TASKS_SOURCE=redis needs a REDIS_URL such as')
  })

  await t.test('B13 off unless it is asked for', async (t) => {
    await up({})
    t.strictSame(
      [await list(), await list()],
      [
        [200, 'BYPASS'],
        [200, 'BYPASS']
      ]
    )
  })
})

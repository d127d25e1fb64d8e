import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { TaskList } from '#schema/task'
import { eventually } from '../helpers/eventually.js'
import { startNginx, withoutNginx, withoutRedisModule } from '../helpers/nginx.js'
import { KEY, startGateway } from '../helpers/processes.js'
import { clientOf, startServers } from '../helpers/stack.js'

t.setTimeout(200_000)

const settings = { PUBLIC_TASKS: 'true', TRUST_PROXY: '127.0.0.1', REQUESTS_PER_MINUTE: '1000000' }

async function prepare(t: Test, env: Record<string, string> = {}) {
  const servers = await startServers(t)
  const gateway = await startGateway(t, { ...servers.env, ...settings })
  const TASKS_REDIS = new URL(servers.redis.url).host
  const nginx = await startNginx(t, { gateways: [gateway.url], env: { TASKS_REDIS, PUBLIC_TASKS: 'true', ...env } })
  const { get, post } = clientOf(() => nginx.url)
  const list = async (headers: Record<string, string> = {}, path = '/api/tasks') => {
    const answer = await get(path, headers)
    const from = answer.headers.get('x-nginx-cache-status')
    assert.equal(answer.headers.get('x-nginx-cache'), from, 'B12')
    const body = Object(answer.status === 200 ? await answer.json() : {}) as Partial<TaskList> // the contract of the route
    return { answer, from, status: answer.status, source: body.source, items: body.items ?? [] }
  }
  const add = async (title: string) => Object(await (await post('/api/tasks', { title })).json()).id as number
  return { ...servers, gateway, nginx, get, post, list, add }
}

t.test(
  'B13 B5 both calls of the list reach the gateway: postgres, then redis-cache',
  { skip: withoutNginx },
  async (t) => {
    const { list, add, nginx } = await prepare(t)
    const id = await add('Feed the bees')
    t.match(await list(), { from: 'BYPASS', source: 'postgres', items: [{ id }] })
    t.match(await list(), { from: 'BYPASS', source: 'redis-cache', items: [{ id }] })
    // the literal call of older systems
    const put = await fetch(`${nginx.url}/api/tasks/${id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"title": "Feed the bees", "is done": "true"}'
    })
    t.match(await put.json(), { id, is_done: true }, 'B7')
    t.match(await list(), { from: 'BYPASS', source: 'postgres', items: [{ id, is_done: true }] })
  }
)

t.test('a tag that a compressed list has had is good for 304 and for a write', { skip: withoutNginx }, async (t) => {
  const { get, add, nginx } = await prepare(t)
  const ids: number[] = []
  for (let i = 0; i < 20; i++) ids.push(await add(`Feed hive ${i}, with sugar and water in equal parts`))
  const first = await get('/api/tasks', { 'accept-encoding': 'gzip' })
  t.equal(first.headers.get('content-encoding'), 'gzip')
  t.equal((await get('/api/tasks', { 'if-none-match': `${first.headers.get('etag')}` })).status, 304)
  const one = await get(`/api/tasks/${ids[0]}`)
  const write = {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', 'if-match': `${one.headers.get('etag')}` }
  }
  const send = () => fetch(`${nginx.url}/api/tasks/${ids[0]}`, { ...write, body: '{"is_done": true}' })
  t.equal((await send()).status, 200)
  t.equal((await send()).status, 412)
})

t.test('B19 switched on, nginx answers the list straight from Redis', { skip: withoutRedisModule }, async (t) => {
  const { get, list, add, nginx, gateway, redis } = await prepare(t, { TASKS_SOURCE: 'redis' })
  const keys = new Redis(redis.url)
  t.teardown(() => keys.disconnect())
  const send = (method: string, id: number, body?: object) =>
    fetch(`${nginx.url}/api/tasks/${id}`, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })

  await t.test('the first is of the gateway, all others of Redis; both are the same but for the source', async (t) => {
    const id = await add('Feed the bees')
    const first = await list()
    t.match(first, { from: 'BYPASS', source: 'postgres', items: [{ id }] })
    const second = await list()
    t.match(second, { from: 'REDIS', source: 'redis-cache' })
    t.strictSame(second.items, first.items)
    const own = await fetch(`${gateway.url}/api/tasks`)
    const common = [
      'content-type',
      'cache-control',
      'x-cache',
      'etag',
      'link',
      'x-content-type-options',
      'x-frame-options'
    ]
    for (const name of [...common, 'referrer-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy']) {
      t.equal(second.answer.headers.get(name), own.headers.get(name), name)
    }
    t.match(second.answer.headers.get('x-request-id'), /^[0-9a-f]{32}$/)
    const known = await list({ 'if-none-match': `${own.headers.get('etag')}` })
    t.match(known, { status: 304, from: 'REDIS' })
    const ownKnown = await fetch(`${gateway.url}/api/tasks`, {
      headers: { 'if-none-match': `${own.headers.get('etag')}` }
    })
    t.equal(known.answer.headers.get('etag'), own.headers.get('etag'))
    for (const name of ['cache-control', 'link', 'x-cache', 'content-type', 'content-length']) {
      t.equal(known.answer.headers.get(name), ownKnown.headers.get(name), `304: ${name}`)
    }
    for (const [name, value] of Object.entries({
      'if-match': '"x"',
      'if-unmodified-since': 'Sat, 01 Jan 2000 00:00:00 GMT'
    })) {
      t.match(await list({ [name]: value }), { status: 200, from: 'REDIS' }, name)
      t.equal((await fetch(`${gateway.url}/api/tasks`, { headers: { [name]: value } })).status, 200, 'as at a gateway')
    }
    const head = await fetch(`${nginx.url}/api/tasks`, { method: 'HEAD' })
    t.equal(head.headers.get('x-nginx-cache'), 'REDIS')
    t.equal(await head.text(), '')
    await eventually(async () =>
      assert.ok((await nginx.accesses()).some(({ cache, upstream }) => cache === 'REDIS' && upstream === ''))
    )
  })

  await t.test('a write shows at once, whatever it is and however it comes', async (t) => {
    const id = await add('Paint the hives')
    for (const write of [
      () => send('PUT', id, { title: 'Paint the hives blue' }),
      () => send('PATCH', id, { is_done: true }),
      () => add('Another one'),
      () => send('DELETE', id)
    ]) {
      await list()
      t.equal((await list()).from, 'REDIS')
      await write()
      const after = await list()
      t.match(after, { from: 'BYPASS', source: 'postgres' })
      t.strictSame((await list()).items, after.items)
    }
    const { items } = await list()
    t.notOk(items.some((task) => task.id === id))
  })

  await t.test('readers beside a writer never see what was before an answered write', async (t) => {
    const id = await add('Count the bees')
    let written = 0
    let going = true
    let reads = 0
    let fromRedis = 0
    const reader = async () => {
      while (going) {
        const known = written
        const { items, from } = await list()
        const title = items.find((task) => task.id === id)?.title ?? ''
        if (Number(/\d+/.exec(title)?.[0] ?? 0) < known) t.fail(`${title} after ${known} was answered`)
        reads++
        if (from === 'REDIS') fromRedis++
      }
    }
    const readers = Promise.all([1, 2, 3, 4].map(reader))
    for (let i = 1; i <= 150; i++) {
      await send('PUT', id, { title: `Counted ${i}` })
      written = i
    }
    going = false
    await readers
    t.ok(reads > 150 && fromRedis > 20, `${reads} reads, ${fromRedis} from Redis`)
  })

  await t.test('what is not for everybody, or not the first page, is of the gateway', async (t) => {
    await list()
    t.equal((await list()).from, 'REDIS')
    const tell: Record<string, string>[] = [
      KEY,
      { authorization: 'Bearer x' },
      { cookie: 'a=b' },
      { origin: 'https://app.example' }
    ]
    for (const headers of tell) {
      t.equal((await list(headers)).from, 'BYPASS', JSON.stringify(headers))
    }
    for (const path of ['/api/tasks?limit=1', '/api/tasks?is_done=true', '/api/tasks/1', '/api/tasks?x=1']) {
      t.equal((await list({}, path)).from, 'BYPASS', path)
    }
    for (const path of ['//api/tasks', '/api%2Ftasks', '/api//tasks']) {
      t.match(await list({}, path), { from: 'BYPASS', status: 404 }, `${path} is another address, as for the gateway`)
    }
    t.equal((await get('/api/tasks', { authorization: 'Bearer wrong' })).status, 401)
  })

  await t.test('many who ask at once are answered alike, also while Redis is silent', async (t) => {
    const ask = async () => {
      const answers = await Promise.all(Array.from({ length: 200 }, () => list()))
      for (const { status, items } of answers) assert.deepEqual([status, items], [200, answers[0]?.items])
      return new Set(answers.map(({ from }) => from))
    }
    await list()
    t.strictSame([...(await ask())], ['REDIS'])
    await redis.freeze()
    t.strictSame([...(await ask())], ['BYPASS'])
    const alone = Date.now()
    for (let i = 0; i < 30; i++) t.equal((await list()).from, 'BYPASS')
    t.ok(Date.now() - alone < 15_000, `it is left alone for a while: 30 took ${Date.now() - alone} ms`)
    await redis.thaw()
    await eventually(async () => assert.deepEqual([...(await ask())], ['REDIS']), { pause: 500 })
  })

  await t.test('a Redis that was started again is not believed what it brings back', async (t) => {
    await list()
    const old = await keys.mget('tasks:list', 'tasks:list:version')
    t.ok(old[0] && old[1])
    await redis.kill()
    const away = await list()
    t.match(away, { from: 'BYPASS', status: 200, source: 'postgres' }, 'while it is away, the gateway answers')
    await redis.start()
    await eventually(() => keys.mset('tasks:list', `${old[0]}`, 'tasks:list:version', `${old[1]}`))
    t.equal((await list()).from, 'BYPASS', 'the version is of another run')
  })
})

t.test('B19 off by default, and off while tasks are not for everybody', { skip: withoutRedisModule }, async (t) => {
  const { list, add, nginx } = await prepare(t, { TASKS_SOURCE: 'redis', PUBLIC_TASKS: 'false' })
  await add('Feed the bees')
  for (let i = 0; i < 3; i++) t.equal((await list()).from, 'BYPASS')
  t.match(nginx.errors.join('\n'), 'tasks are not public (PUBLIC_TASKS): a gateway answers them, not Redis')
})

t.test('B19 without what nginx needs for it, the start says what to install', async (t) => {
  const dir = t.testdir()
  await cp(join(import.meta.dirname, '../../../infra/nginx'), join(dir, 'nginx'), { recursive: true })
  await writeFile(join(dir, 'nginx/conf/tasks/modules.conf'), 'load_module /nowhere/lua.so;\n')
  const env = { PATH: process.env.PATH, NGINX_DIR: dir, TASKS_SOURCE: 'redis', PUBLIC_TASKS: 'true' }
  await t.rejects(promisify(execFile)('sh', [join(dir, 'nginx/start.sh'), 'check'], { env }), {
    code: 1,
    stderr: 'nginx: TASKS_SOURCE=redis needs /nowhere/lua.so: apt-get install libnginx-mod-http-lua lua-nginx-redis\n'
  })
})

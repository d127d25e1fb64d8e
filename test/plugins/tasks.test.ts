import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import t from 'tap'
import { Value } from 'typebox/value'
import { Task, TaskList } from '#schema/task'
import { findProgram } from '../../infra/local/programs.js'
import { seed } from '../../infra/postgres/seed.js'
import { startGateway } from '../helpers/processes.js'
import { clientOf, startServers } from '../helpers/stack.js'

const curl = await findProgram(['curl'])
const { postgres, redis, env, sql } = await startServers(t)
await seed(postgres.ownerUrl)
const gateway = await startGateway(t, { ...env, PUBLIC_TASKS: 'true', CACHE_TTL_MS: '30000' })
const { get, post } = clientOf(() => gateway.url)
const keys = new Redis(redis.url)
t.teardown(() => keys.disconnect())

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(gateway.url + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
const list = async (query = '') => {
  const answer = await get(`/api/tasks${query}`)
  return { answer, headers: answer.headers, body: (await answer.json()) as TaskList }
}
const add = async (draft: object = { title: 'Feed the bees' }) =>
  (await (await post('/api/tasks', draft)).json()) as Task
const read = async (id: number) => (await get(`/api/tasks/${id}`)).json()

t.test('B3 a fresh stack lists the seeded tasks', async (t) => {
  const { answer, body } = await list()
  t.equal(answer.status, 200)
  t.ok(Value.Check(TaskList, body), 'it fits its schema')
  t.match(body.items, [
    { id: 2, title: 'Label the honey', is_done: true },
    { id: 1, title: 'Look after the hives', description: /Water/, is_done: false, version: 1 }
  ])
})

t.test('B4 a task is added, with what was left out as its default', async (t) => {
  const answer = await post('/api/tasks', { title: 'Feed the bees', description: 'Sugar, 2 kg' })
  t.equal(answer.status, 201)
  const task = (await answer.json()) as Task
  t.ok(Value.Check(Task, task), 'it fits its schema')
  t.match(task, { title: 'Feed the bees', description: 'Sugar, 2 kg', is_done: false, version: 1 })
  t.equal(answer.headers.get('location'), `/api/tasks/${task.id}`)
  t.equal(answer.headers.get('etag'), '"1"')
  t.strictSame(await read(task.id), task)
  t.match(await add({ title: 'x' }), { description: '' })

  const refused = await post('/api/tasks', { description: 'no title' })
  t.equal(refused.status, 422)
  t.match(await refused.json(), { code: 'INVALID_BODY', errors: [{ pointer: '/title', detail: 'is required' }] })
})

t.test('B5 E12 the list says where it came from: first postgres, then redis-cache, with the same items', async (t) => {
  await add()
  const [first, second, third] = [await list(), await list(), await list()]
  t.match([first.body.source, second.body.source, third.body.source], ['postgres', 'redis-cache', 'redis-cache'])
  t.strictSame(first.body.items, second.body.items)
  t.strictSame(
    [first, second].map(({ headers }) => headers.get('x-cache')),
    ['MISS', 'HIT']
  )
  t.equal(first.headers.get('content-type'), 'application/json; charset=utf-8', 'C11')
  t.equal(second.headers.get('content-type'), 'application/json; charset=utf-8', 'C11')
  const kept = (await keys.get('tasks:list')) ?? ''
  t.strictSame(JSON.parse(kept), second.body, 'Redis holds the very answer')

  await t.test('what asks for more than the first page is not from the cache', async (t) => {
    const { body, headers } = await list('?limit=2')
    t.equal(body.source, 'postgres')
    t.equal(headers.get('x-cache'), null)
    t.equal((await list('?limit=50')).body.source, 'redis-cache', 'the same page asked for by name is')
  })
})

t.test('B6 one task by its id', async (t) => {
  t.match(await read(1), { id: 1, title: 'Look after the hives' })
  t.equal((await get('/api/tasks/2147483647')).status, 404)
  t.match(await (await get('/api/tasks/999999')).json(), { status: 404, code: 'TASK_NOT_FOUND' })
  for (const id of ['1 or 1=1', '1%20or%201=1', '0', '-1', '1.5', 'one', '2147483648', '1e400', '%27', "1';--"]) {
    const answer = await get(`/api/tasks/${id}`)
    t.equal(answer.status, 400, id)
    t.match(await answer.json(), { code: 'INVALID_PARAMS', errors: [{ pointer: '/id' }] })
  }
})

t.test('B7 accepts the key "is done" and a string boolean', async (t) => {
  await t.test('as the literal curl', { skip: !curl && 'curl is missing' }, async (t) => {
    const command = `curl -s -w '%{http_code}' -X PUT ${gateway.url}/api/tasks/1 -H 'Content-Type: application/json' -d '{"title":"Updated task","is done":"true"}'`
    const { stdout } = await promisify(execFile)('sh', ['-c', command])
    t.match(stdout, /"title":"Updated task".*"is_done":true.*}200$/)
  })
  const { id } = await add({ title: 'Paint', description: 'white' })
  const put = async (body: object) => (await send('PUT', `/api/tasks/${id}`, body)).json()
  t.match(await put({ title: 'Paint', 'is done': 'true' }), { is_done: true, description: '' })
  t.match(await put({ title: 'Paint', is_done: 'False' }), { is_done: false })
  t.match(await put({ title: 'Paint', is_done: true }), { is_done: true })
  t.match(await put({ title: 'Paint' }), { is_done: false }, 'PUT replaces: what is left out has its default')
  t.match(await add({ title: 'Done at once', 'is done': 'true' }), { is_done: true })

  for (const value of ['yes', '1', 1, null, '', 'truee', []]) {
    t.match(await put({ title: 'Paint', 'is done': value }), { status: 422, errors: [{ pointer: '/is_done' }] })
  }
  t.match(await put({ title: 'Paint', 'is done': true, is_done: false }), {
    status: 422,
    errors: [{ pointer: '/is done', detail: /another name of is_done/ }]
  })
})

t.test('PATCH changes what is given and leaves the rest', async (t) => {
  const { id } = await add({ title: 'Paint', description: 'white' })
  const patch = (body: object) => send('PATCH', `/api/tasks/${id}`, body)
  t.match(await (await patch({ 'is done': true })).json(), { title: 'Paint', description: 'white', is_done: true })
  const changed = await (await patch({ description: '' })).json()
  t.match(changed, { title: 'Paint', description: '', version: 3 })
  t.ok(Value.Check(Task, changed), 'it fits its schema')
  const [row] = await sql<{ updated_at: Date }>('select updated_at from tasks where id = $1', [id])
  t.equal(Object(changed).updated_at, row?.updated_at.toISOString(), 'its times as JavaScript writes them')
  for (const body of [{}, { title: '' }, { title: null }, { id: 5 }, { version: 9 }, { owner_id: null }, []]) {
    t.equal((await patch(body)).status, 422, JSON.stringify(body))
  }
  t.match(await read(id), { version: 3 })
  t.equal((await send('PATCH', '/api/tasks/999999', { title: 'x' })).status, 404)
  t.equal((await send('PUT', '/api/tasks/999999', { title: 'x' })).status, 404)
})

t.test('B8 E11 a deleted task is gone from every read, and its row stays', async (t) => {
  const { id } = await add()
  const deleted = await send('DELETE', `/api/tasks/${id}`)
  t.equal(deleted.status, 204)
  t.equal(await deleted.text(), '')
  t.equal((await get(`/api/tasks/${id}`)).status, 404)
  t.notOk((await list()).body.items.some((task) => task.id === id))
  t.notOk((await list('?limit=100')).body.items.some((task) => task.id === id))
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    t.equal((await send(method, `/api/tasks/${id}`, method === 'DELETE' ? undefined : { title: 'x' })).status, 404)
  }
  t.match(await sql('select title, version from tasks where id = $1 and deleted_at is not null', [id]), [
    { version: 2 }
  ])
})

t.test('B9 the key tasks:list is in Redis, with a TTL of at most the setting', async (t) => {
  await add()
  await list()
  t.equal(await keys.exists('tasks:list'), 1)
  const ttl = await keys.ttl('tasks:list')
  t.ok(ttl > 0 && ttl <= 30, `${ttl} s`)
})

t.test('B10 every write takes the list away: the next one is from postgres', async (t) => {
  const { id } = await add()
  const writes: [string, () => Promise<Response>][] = [
    ['add', () => post('/api/tasks', { title: 'x' })],
    ['replace', () => send('PUT', `/api/tasks/${id}`, { title: 'y' })],
    ['change', () => send('PATCH', `/api/tasks/${id}`, { is_done: true })],
    ['delete', () => send('DELETE', `/api/tasks/${id}`)]
  ]
  for (const [name, write] of writes) {
    await list()
    t.equal((await list()).body.source, 'redis-cache')
    t.ok((await write()).ok, name)
    t.equal(await keys.exists('tasks:list'), 0, `${name}: EXISTS tasks:list is 0`)
    t.equal((await list()).body.source, 'postgres', name)
  }
  await list()
  for (const write of [
    () => send('DELETE', '/api/tasks/999999'),
    () => send('PATCH', '/api/tasks/1', { title: 'x' }, { 'if-match': '"999"' }),
    () => post('/api/tasks', {})
  ]) {
    t.notOk((await write()).ok)
    t.equal(await keys.exists('tasks:list'), 1, 'what was refused leaves the list')
  }
  await keys.del('tasks:list')
  t.equal((await list()).body.source, 'postgres', 'taken away by hand, it is loaded anew')
})

t.test('pages follow each other by `next` and `Link`, filters included', async (t) => {
  await sql(`update tasks set deleted_at = now() where deleted_at is null`)
  await sql(
    `insert into tasks (insert_id, title, is_done) select gen_random_uuid(), 'Page ' || n, n % 3 = 0 from generate_series(1, 120) n`
  )
  await keys.flushall()
  const walk = async (query: string) => {
    const seen: Task[] = []
    for (let next: string | undefined = `/api/tasks${query}`; next; ) {
      const answer = await get(next)
      const { items, next: before } = (await answer.json()) as TaskList
      seen.push(...items)
      next = answer.headers.get('link')?.match(/^<(.*)>; rel="next"$/)?.[1]
      t.equal(next !== undefined, before !== null, 'Link and next say the same')
      if (before) t.equal(new URL(next ?? '', 'http://x').searchParams.get('before'), String(before))
    }
    return seen
  }
  const all = await walk('')
  t.equal(all.length, 120)
  t.strictSame(
    all.map(({ id }) => id),
    all.map(({ id }) => id).toSorted((a, b) => b - a),
    'newest first'
  )
  t.strictSame(await walk('?limit=7'), all)
  t.strictSame(
    await walk('?is_done=true&limit=9'),
    all.filter(({ is_done }) => is_done)
  )
  t.strictSame(
    await walk('?title=PAGE%201'),
    all.filter(({ title }) => title.startsWith('Page 1'))
  )
  t.strictSame(await walk('?title=%25'), [], 'a percent sign is one')
  const again = await list()
  t.equal(again.body.source, 'redis-cache')
  t.match(again.headers.get('link'), /before=\d+>; rel="next"/, 'from the cache as well')
})

t.test('a client that has the answer is told so with 304; a stale write is 412', async (t) => {
  const { id } = await add()
  const path = `/api/tasks/${id}`
  for (const known of ['"1"', 'W/"1"', '"7", "1"', '*']) {
    const answer = await get(path, { 'if-none-match': known })
    t.equal(answer.status, 304, known)
    t.equal(await answer.text(), '')
    t.equal(answer.headers.get('etag'), '"1"')
  }
  t.equal((await get(path, { 'if-none-match': '"2"' })).status, 200)

  t.equal((await send('PUT', path, { title: 'a' }, { 'if-match': '"1"' })).headers.get('etag'), '"2"')
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    for (const stale of ['"1"', '"x"', 'nonsense', '"1", "3"']) {
      const answer = await send(method, path, method === 'DELETE' ? undefined : { title: 'b' }, { 'if-match': stale })
      t.equal(answer.status, 412, `${method} ${stale}`)
      t.match(await answer.json(), { code: 'TASK_CHANGED', detail: /version 2 now/ })
    }
  }
  t.match(await read(id), { title: 'a', version: 2 })
  t.equal((await send('PATCH', path, { title: 'c' }, { 'if-match': 'W/"2"' })).status, 200, 'as gzip leaves the tag')
  t.equal((await send('PATCH', path, { title: 'd' }, { 'if-match': '*' })).status, 200)
  t.equal((await send('DELETE', path, undefined, { 'if-match': '"1", "4"' })).status, 204)

  await t.test('RFC 9110 13.1.2: a write is 412 for the version that If-None-Match names, or for any', async (t) => {
    const { id } = await add()
    const path = `/api/tasks/${id}`
    await send('PATCH', path, { is_done: true })
    const write = (method: string, headers: Record<string, string>, to = path) =>
      send(method, to, method === 'DELETE' ? undefined : { title: 'b' }, headers)
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      for (const known of ['*', '"2"', 'W/"2"', '"7", "2"']) {
        const answer = await write(method, { 'if-none-match': known })
        t.equal(answer.status, 412, `${method} ${known}`)
        t.match(await answer.json(), { code: 'TASK_EXISTS', detail: /in version 2,/ })
      }
      const both = { 'if-match': '"2"', 'if-none-match': '"2"' }
      t.match(await (await write(method, both)).json(), { status: 412, code: 'TASK_EXISTS' })
      const first = { 'if-match': '"1"', 'if-none-match': '*' }
      t.match(await (await write(method, first)).json(), { status: 412, code: 'TASK_CHANGED' }, 'If-Match comes first')
      for (const known of ['*', '"1"'])
        t.equal((await write(method, { 'if-none-match': known }, '/api/tasks/999999')).status, 404, 'nothing is there')
    }
    t.match(await read(id), { title: 'Feed the bees', version: 2 }, 'nothing was changed')
    t.equal((await write('PUT', { 'if-none-match': '"1"' })).headers.get('etag'), '"3"')
    t.equal((await write('PATCH', { 'if-none-match': '"x", nonsense', 'if-match': '"3"' })).headers.get('etag'), '"4"')
    t.equal((await write('DELETE', { 'if-none-match': '"3"' })).status, 204)
  })

  await t.test('of two that write from the same version one wins', async (t) => {
    const { id } = await add()
    const race = Array.from({ length: 10 }, (_, n) =>
      send('PUT', `/api/tasks/${id}`, { title: `writer ${n}` }, { 'if-match': '"1"' })
    )
    const statuses = (await Promise.all(race)).map(({ status }) => status)
    t.strictSame(statuses.toSorted(), [200, ...Array(9).fill(412)])
  })

  await t.test('the list has a tag that changes with its tasks alone', async (t) => {
    const first = (await list()).headers.get('etag') ?? ''
    t.match(first, /^W\/"/)
    const cached = await get('/api/tasks', { 'if-none-match': first })
    t.equal(cached.status, 304)
    t.equal(cached.headers.get('x-cache'), 'HIT')
    await add()
    t.equal((await get('/api/tasks', { 'if-none-match': first })).status, 200)
  })
})

t.test('an Idempotency-Key adds one task, however often it comes', async (t) => {
  const headers = { 'idempotency-key': 'once' }
  const draft = { title: 'Once', 'is done': 'true' }
  const answers = await Promise.all(Array.from({ length: 8 }, () => post('/api/tasks', draft, headers)))
  t.strictSame(new Set(answers.map(({ status }) => status)), new Set([201]))
  const tasks = (await Promise.all(answers.map((answer) => answer.json()))) as Task[]
  t.equal(new Set(tasks.map(({ id }) => id)).size, 1)
  t.equal(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true').length, 7)
  t.match(await sql("select count(*)::int as n from tasks where title = 'Once'"), [{ n: 1 }])
  t.match(await (await post('/api/tasks', { title: 'Other' }, headers)).json(), { code: 'IDEMPOTENCY_KEY_REUSED' })

  const id = tasks[0]?.id ?? 0
  await send('PATCH', `/api/tasks/${id}`, { title: 'Changed' })
  t.match(await (await post('/api/tasks', draft, headers)).json(), { id, title: 'Changed' }, 'as it is by then')
  await send('DELETE', `/api/tasks/${id}`)
  const gone = await post('/api/tasks', draft, headers)
  t.equal(gone.status, 410)
  t.match(await gone.json(), { code: 'TASK_DELETED' })
})

t.test('B22 what would be SQL elsewhere is 400 or plain text here, and never more rows', async (t) => {
  const before = await sql('select count(*)::int as n from tasks')
  const injections = [
    "1' or '1'='1",
    '1 or 1=1',
    '1; drop table tasks',
    '1 union select null',
    "1'--",
    '1)) or ((1=1',
    '$1',
    '1/**/or/**/1=1'
  ]
  for (const text of injections) {
    const encoded = encodeURIComponent(text)
    for (const path of [
      `/api/tasks/${encoded}`,
      `/api/tasks?before=${encoded}`,
      `/api/tasks?limit=${encoded}`,
      `/api/tasks?is_done=${encoded}`,
      `/api/tasks?id=${encoded}`
    ]) {
      t.equal((await get(path)).status, 400, path)
    }
    t.strictSame((await list(`?title=${encoded}`)).body.items, [], `no title contains ${text}`)
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      t.equal(
        (await send(method, `/api/tasks/${encoded}`, method === 'DELETE' ? undefined : { title: 'x' })).status,
        400
      )
    }
    t.match(await add({ title: text, description: text }), { title: text, description: text }, 'it is kept as text')
  }
  const [{ n = 0 } = {}] = await sql<{ n: number }>('select count(*)::int as n from tasks')
  t.strictSame([{ n: n - injections.length }], before)
})

t.test('B22 the query of the list takes each name once, in its bounds', async (t) => {
  for (const query of [
    'limit=0',
    'limit=101',
    'limit=1.5',
    'limit=5&limit=6',
    'before=0',
    'is_done=maybe',
    'title=%00',
    `title=${'a'.repeat(201)}`,
    'nonsense=1',
    'owner_id=x'
  ]) {
    const answer = await get(`/api/tasks?${query}`)
    t.equal(answer.status, 400, query)
    t.match(answer.headers.get('content-type'), 'application/problem+json')
  }
  t.equal((await get('/api/tasks?is_done=&title=')).status, 200, 'an empty one is absent')
})

t.test('bodies that do not fit store nothing', async (t) => {
  const before = await sql('select count(*)::int as n from tasks')
  const bodies = [
    null,
    [],
    'x',
    1,
    {},
    { title: '' },
    { title: 1 },
    { title: ['a'] },
    { title: 'a'.repeat(201) },
    { title: 'x', description: 'a'.repeat(2_001) },
    { title: 'a\u0000b' },
    { title: 'x', description: '\ud800' },
    { title: 'x', id: 7 },
    { title: 'x', owner_id: 'me' },
    { title: 'x', version: 1 },
    { title: 'x', source: 'x' },
    { title: 'x', deleted_at: null }
  ]
  for (const body of bodies) t.equal((await post('/api/tasks', body)).status, 422, JSON.stringify(body)?.slice(0, 60))
  for (const body of ['', '{', '{"title":"x","__proto__":{}}', '{"title":"x"}}']) {
    const answer = await fetch(`${gateway.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    t.equal(answer.status, 400, body)
  }
  // as curl sends JSON without a word about its type
  const untyped = await fetch(`${gateway.url}/api/tasks`, { method: 'POST', body: new URLSearchParams({ title: 'x' }) })
  t.equal(untyped.status, 415)
  t.match(await untyped.json(), { detail: 'send application/json, and name it in Content-Type' })
  t.equal((await post('/api/tasks', { title: 'x', description: 'a'.repeat(70_000) })).status, 413)
  t.strictSame(await sql('select count(*)::int as n from tasks'), before)
})

t.test('HEAD says of the list and of a task what GET would', async (t) => {
  for (const path of ['/api/tasks', '/api/tasks/1']) {
    const answer = await send('HEAD', path)
    t.ok([200, 404].includes(answer.status))
    t.equal(await answer.text(), '')
  }
})

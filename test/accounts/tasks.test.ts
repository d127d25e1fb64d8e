/** A known owner's tasks are theirs alone, in every answer and in the cache; without PUBLIC_TASKS nobody unknown comes in. */
import { Redis } from 'ioredis'
import t from 'tap'
import type { Task, TaskList } from '#schema/task'
import { bearer, createUser, logIn } from '../helpers/accounts.js'
import { inParallel } from '../helpers/in-parallel.js'
import { KEY, startGateway } from '../helpers/processes.js'
import { clientOf, startStack } from '../helpers/stack.js'

const stack = await startStack(t, { PUBLIC_TASKS: 'true', REQUESTS_PER_MINUTE: '1000000' })
const closed = await startGateway(t, { ...stack.env, REQUESTS_PER_MINUTE: '1000000' })
await Promise.all([createUser(stack, 'ada'), createUser(stack, 'grace'), createUser(stack, 'olga', 'operator')])
const headersOf = async (name: string, more = {}) => bearer((await logIn(stack, name, more)).access_token)
const [ada, grace, olga] = await Promise.all(['ada', 'grace', 'olga'].map((name) => headersOf(name)))
const keys = new Redis(stack.redis.url)
t.teardown(() => keys.disconnect())

const CONDITIONS: Record<string, string>[] = [{}, { 'if-match': '"1"' }, { 'if-none-match': '"1"' }]
type Headers = Record<string, string> | undefined
const callers: Record<string, Headers> = { ada, grace, olga, nobody: {}, key: KEY }

const send = (method: string, path: string, headers: Headers, body?: object, base = stack.gateway.url) =>
  fetch(base + path, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) })
  })
const add = async (headers: Headers, title: string) =>
  (await (await send('POST', '/api/tasks', headers, { title })).json()) as Task
const list = async (headers: Headers, base?: string) =>
  (await (await send('GET', '/api/tasks', headers, undefined, base)).json()) as TaskList
const titles = ({ items }: TaskList) => items.map(({ title }) => title)

t.test('what is somebody’s is found, listed, changed and deleted by nobody else', async (t) => {
  for (const [name, owner] of Object.entries(callers)) {
    const task = await add(owner, `of ${name}`)
    const others = Object.entries(callers).filter(
      ([other]) => other !== name && !(['nobody', 'key'].includes(name) && ['nobody', 'key'].includes(other))
    )
    for (const [other, headers] of others) {
      for (const [method, body] of [
        ['GET', undefined],
        ['PUT', { title: 'stolen' }],
        ['PATCH', { title: 'stolen' }],
        ['DELETE', undefined]
      ] as const) {
        for (const more of CONDITIONS) {
          const answer = await send(method, `/api/tasks/${task.id}`, { ...headers, ...more }, body)
          t.equal(answer.status, 404, `${other}: ${method} a task of ${name}`)
        }
      }
      t.notOk(titles(await list(headers)).includes(task.title), `${other} does not see it in the list`)
      t.strictSame(await (await send('GET', `/api/tasks?title=of%20${name}`, headers)).json(), {
        source: 'postgres',
        next: null,
        items: []
      })
    }
    t.strictSame(await (await send('GET', `/api/tasks/${task.id}`, owner)).json(), task)
    t.ok(titles(await list(owner)).includes(task.title))
  }
  const owners = await stack.sql('select owner_id is null as open, count(*)::int as n from tasks group by 1 order by 1')
  t.strictSame(owners, [
    { open: false, n: 3 },
    { open: true, n: 2 }
  ])
})

t.test('a list in the cache is never shown to somebody else, in whatever order they ask', async (t) => {
  const names = Object.keys(callers)
  for (const order of [names, names.toReversed(), [...names.slice(2), ...names.slice(0, 2)]]) {
    await keys.flushall()
    const seen = new Map<string, TaskList>()
    for (const name of [...order, ...order]) {
      const found = await list(callers[name])
      const before = seen.get(name)
      if (before) {
        t.equal(found.source, 'redis-cache')
        t.strictSame(found.items, before.items, `${name} sees the same again`)
      }
      seen.set(name, found)
    }
    for (const name of ['ada', 'grace', 'olga']) t.strictSame(titles(seen.get(name) as TaskList), [`of ${name}`])
  }
  const own = (await keys.keys('tasks:list:*')).filter((key) => !/:(version|lock)$/.test(key))
  t.equal(own.length, 3, 'each has a key of its own')
  t.ok((await Promise.all(own.map((key) => keys.ttl(key)))).every((ttl) => ttl > 0 && ttl <= 60))
  const adas = (await send('GET', '/api/tasks', ada)).headers
  t.match(adas.get('cache-control'), /private/, 'and nothing in front of the gateway keeps it')
  const tag = adas.get('etag') ?? ''
  t.equal((await send('GET', '/api/tasks', { ...grace, 'if-none-match': tag })).status, 200)
})

t.test('thousands of reads while everybody writes, at two gateways: nobody sees what is another’s', async (t) => {
  const names = Object.keys(callers)
  const bases = [stack.gateway.url, closed.url]
  const turns = Array.from({ length: 3_000 }, (_, n) => n)
  const foreign: string[] = []
  await inParallel(turns, async (n) => {
    const name = names[n % names.length] ?? ''
    const base = name === 'nobody' ? bases[0] : bases[Math.floor(n / 7) % 2]
    if (n % 9 === 0) await send('POST', '/api/tasks', callers[name], { title: `of ${name}` }, base)
    else {
      const open = ['of nobody', 'of key']
      const mine = name === 'nobody' || name === 'key' ? open : [`of ${name}`]
      foreign.push(...titles(await list(callers[name], base)).filter((title) => !mine.includes(title)))
    }
  })
  t.strictSame(foreign, [])
})

t.test('without PUBLIC_TASKS a token or key is needed for every call', async (t) => {
  const { get, post } = clientOf(() => closed.url)
  const [{ id = 0 } = {}] = (await list({})).items
  const calls: [string, string, object?][] = [
    ['GET', '/api/tasks'],
    ['HEAD', '/api/tasks'],
    ['POST', '/api/tasks', { title: 'x' }],
    ['GET', `/api/tasks/${id}`],
    ['PUT', `/api/tasks/${id}`, { title: 'x' }],
    ['PATCH', `/api/tasks/${id}`, { title: 'x' }],
    ['DELETE', `/api/tasks/${id}`]
  ]
  for (const [method, path, body] of calls) {
    const answer = await send(method, path, {}, body, closed.url)
    t.equal(answer.status, 401, `${method} ${path}`)
    t.match(answer.headers.get('www-authenticate'), /^Bearer/)
  }
  t.equal((await get('/api/tasks', ada)).status, 200)
  t.equal((await get('/api/tasks', KEY)).status, 200)
  t.equal((await post('/api/tasks', { title: 'x' }, bearer('nonsense'))).status, 401)
  t.equal(
    (await send('GET', '/api/tasks', bearer('nonsense'))).status,
    401,
    'bad credentials are bad where none are needed, too'
  )
  t.ok(
    (await list(KEY, closed.url)).items.some((task) => task.id === id),
    'the key of the environment has what is nobody’s'
  )
})

t.test('a token that may only read changes nothing', async (t) => {
  const reading = await headersOf('ada', { scope: 'read' })
  const [{ id = 0 } = {}] = (await list(ada)).items
  t.equal((await send('GET', `/api/tasks/${id}`, reading)).status, 200)
  for (const [method, path, body] of [
    ['POST', '/api/tasks', { title: 'x' }],
    ['PATCH', `/api/tasks/${id}`, { title: 'x' }],
    ['DELETE', `/api/tasks/${id}`, undefined]
  ] as const) {
    const answer = await send(method, path, reading, body)
    t.equal(answer.status, 403)
    t.match(await answer.json(), { code: 'SCOPE_MISSING' })
  }
})

t.test('the same Idempotency-Key of two callers is two keys', async (t) => {
  const body = { title: 'Once each' }
  const ids = await inParallel(Object.values(callers), async (headers) => {
    const answer = await send('POST', '/api/tasks', { ...headers, 'idempotency-key': 'shared' }, body)
    return ((await answer.json()) as Task).id
  })
  t.equal(new Set(ids).size, ids.length)
})

t.test('strangers are held to their submissions in a minute, known callers are not', async (t) => {
  const strict = await startGateway(t, { ...stack.env, PUBLIC_TASKS: 'true', SUBMISSIONS_PER_MINUTE: '6' })
  await keys.flushall()
  const write = async (headers: Headers) => {
    const add = await send('POST', '/api/tasks', headers, { title: 'x' }, strict.url)
    const path = `/api/tasks/${((await add.json()) as Task).id}`
    const change = await send('PATCH', path, headers, { title: 'y' }, strict.url)
    const remove = await send('DELETE', path, headers, undefined, strict.url)
    return [add, change, remove].map(({ status }) => status)
  }
  for (const headers of [ada, KEY, ada, KEY, ada]) t.strictSame(await write(headers), [201, 200, 204])
  t.strictSame(await write({}), [201, 200, 204])
  t.strictSame(await write({}), [201, 200, 204])
  t.equal((await send('POST', '/api/tasks', {}, { title: 'x' }, strict.url)).status, 429)
  t.equal((await send('DELETE', '/api/tasks/1', {}, undefined, strict.url)).status, 429)
  t.equal((await send('GET', '/api/tasks', {}, undefined, strict.url)).status, 200)
})

t.test('known callers are held to their requests in a minute, where tasks are public as well', async (t) => {
  const strict = await startGateway(t, { ...stack.env, PUBLIC_TASKS: 'true', REQUESTS_PER_MINUTE: '5' })
  await keys.flushall()
  for (const headers of [ada, KEY]) {
    for (let i = 0; i < 5; i++)
      t.equal((await send('POST', '/api/tasks', headers, { title: 'x' }, strict.url)).status, 201)
    for (const [method, body] of [['POST', { title: 'x' }], ['GET']] as const) {
      const answer = await send(method, '/api/tasks', headers, body, strict.url)
      t.match(await answer.json(), { status: 429, code: 'TOO_MANY_REQUESTS' })
    }
  }
  t.equal((await send('GET', '/api/tasks', {}, undefined, strict.url)).status, 200, 'strangers have other limits')
})

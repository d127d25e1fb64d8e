import t from 'tap'
import type { Task, TaskList } from '#schema/task'
import { startTasks } from '../helpers/tasks.js'

const { sql, keys, get, post, send, list, add } = await startTasks(t)

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

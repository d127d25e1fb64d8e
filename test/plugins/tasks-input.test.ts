import t from 'tap'
import { startTasks } from '../helpers/tasks.js'

const { gateway, sql, get, post, send, list, add } = await startTasks(t)

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
  for (const [body, status] of [
    ['', 422],
    ['{', 400],
    ['{"title":"x","__proto__":{}}', 422],
    ['{"title":"x"}}', 400]
  ] as const) {
    const answer = await fetch(`${gateway.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    t.equal(answer.status, status, body)
  }
  // as curl sends JSON without a word about its type
  const untyped = await fetch(`${gateway.url}/api/tasks`, { method: 'POST', body: new URLSearchParams({ title: 'x' }) })
  t.equal(untyped.status, 415)
  t.match(await untyped.json(), { detail: 'send application/json, and name it in Content-Type' })
  t.equal((await post('/api/tasks', { title: 'x', description: 'a'.repeat(70_000) })).status, 413)
  t.strictSame(await sql('select count(*)::int as n from tasks'), before)
})

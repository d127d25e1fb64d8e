import t from 'tap'
import { startTasks } from '../helpers/tasks.js'

const { sql, get, send, list, add, read } = await startTasks(t)

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

t.test('HEAD says of the list and of a task what GET would', async (t) => {
  const { id } = await add()
  await list()
  for (const path of ['/api/tasks', `/api/tasks/${id}`, '/api/tasks/999999']) {
    const [got, asked] = [await get(path), await send('HEAD', path)]
    t.equal(asked.status, got.status, path)
    t.equal(await asked.text(), '')
    for (const name of ['content-type', 'content-length', 'etag', 'x-cache'])
      t.equal(asked.headers.get(name), got.headers.get(name), `${path}: ${name}`)
  }
})

t.test('a write that waits too long for another one is 503, and nothing was done', async (t) => {
  const { id } = await add()
  await sql('begin')
  await sql('select 1 from tasks where id = $1 for update', [id])
  // one after the other: who waits behind another that waits may take longer than a statement may
  const answers = [await send('PATCH', `/api/tasks/${id}`, { title: 'x' }), await send('DELETE', `/api/tasks/${id}`)]
  await sql('rollback')
  for (const answer of answers) {
    t.ok(answer.headers.get('retry-after'))
    t.match(await answer.json(), { status: 503, code: 'BUSY' })
  }
  t.match(await read(id), { version: 1 })
})

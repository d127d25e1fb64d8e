import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { Value } from 'typebox/value'
import { Task, TaskList } from '#schema/task'
import { findProgram } from '../../infra/local/programs.js'
import { startTasks } from '../helpers/tasks.js'

const curl = await findProgram(['curl'])
const { gateway, sql, get, post, send, list, add, read } = await startTasks(t)

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

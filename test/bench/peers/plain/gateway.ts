/** The plain way: Fastify and Bee-Queue as their pages show them, one insert a request, one `save` a job. */
import { randomUUID } from 'node:crypto'
import Queue from 'bee-queue'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { contact } from '../contact.js'

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const queue = new Queue('submissions', {
  redis: { url: process.env.REDIS_URL },
  isWorker: false,
  getEvents: false,
  storeJobs: false,
  removeOnSuccess: true
})
const app = Fastify()

app.post('/sync', { schema: { body: contact } }, async (request, reply) => {
  const { rows } = await pool.query(
    `insert into submissions (form, mode, data) values ('contact', 'sync', $1) returning id`,
    [request.body]
  )
  return reply.code(201).send({ id: rows[0].id })
})

app.post('/async', { schema: { body: contact } }, async (request, reply) => {
  const job = await queue.createJob({ form: 'contact', data: request.body }).save()
  return reply.code(202).send({ id: job.id, status: 'queued' })
})

// a second queue with events: the first one does without, as it should
const waiting = new Queue<object>('submissions', {
  redis: { url: process.env.REDIS_URL },
  isWorker: false,
  removeOnSuccess: true
})

app.post('/wait', { schema: { body: contact } }, async (request, reply) => {
  const job = waiting.createJob({ form: 'contact', data: request.body }).setId(randomUUID())
  const ended = new Promise<void>((resolve, reject) => {
    job.once('succeeded', () => resolve())
    job.once('failed', reject)
  })
  // before the save: the event of a fast job comes before the save's reply, and is lost on a job that Bee-Queue does not know yet
  const jobs = Object(waiting).jobs as Map<string, object>
  jobs.set(job.id, job)
  await job.save()
  await ended
  return reply.send({ id: job.id })
})

const COLUMNS = 'id, title, description, is_done, version, created_at, updated_at'
const redis = new Redis(process.env.REDIS_URL ?? '')

app.get('/tasks', async (_request, reply) => {
  reply.header('content-type', 'application/json; charset=utf-8')
  const kept = await redis.get('tasks:list')
  if (kept) return reply.send(kept)
  const { rows } = await pool.query(`select ${COLUMNS} from tasks order by id desc limit 50`)
  const list = { source: 'redis-cache', next: null, items: rows }
  await redis.set('tasks:list', JSON.stringify(list), 'EX', 60)
  return reply.send(JSON.stringify({ ...list, source: 'postgres' }))
})

app.get('/tasks/:id', async (request, reply) => {
  const { id } = Object(request.params)
  const { rows } = await pool.query({
    name: 'find',
    text: `select ${COLUMNS} from tasks where id = $1`,
    values: [id]
  })
  return rows[0] ?? reply.code(404).send()
})

app.patch('/tasks/:id', async (request) => {
  const [{ id }, { is_done }] = [Object(request.params), Object(request.body)]
  const { rows } = await pool.query(
    `update tasks set is_done = $2, version = version + 1, updated_at = now() where id = $1 returning ${COLUMNS}`,
    [id, is_done]
  )
  await redis.del('tasks:list')
  return rows[0]
})

process.once('SIGTERM', async () => {
  await app.close()
  redis.disconnect()
  await queue.close()
  await waiting.close()
  await pool.end()
})

await Promise.all([queue.ready(), waiting.ready()])
await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

/** The plain way: Fastify and Bee-Queue as their pages show them, one insert a request, one `save` a job. */
import Queue from 'bee-queue'
import Fastify from 'fastify'
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

process.once('SIGTERM', async () => {
  await app.close()
  await queue.close()
  await pool.end()
})

await queue.ready()
await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

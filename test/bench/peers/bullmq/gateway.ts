/** Fastify and BullMQ: one `add` a request. */
import { Queue, QueueEvents } from 'bullmq'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { contact } from '../contact.js'

const connection = new Redis(process.env.REDIS_URL ?? '')
const queue = new Queue('submissions', {
  connection,
  defaultJobOptions: { removeOnComplete: true, removeOnFail: 1000 }
})
const app = Fastify()

app.post('/async', { schema: { body: contact } }, async (request, reply) => {
  const job = await queue.add('store', { form: 'contact', data: request.body })
  return reply.code(202).send({ id: job.id, status: 'queued' })
})

const events = new QueueEvents('submissions', {
  connection: new Redis(process.env.REDIS_URL ?? '', { maxRetriesPerRequest: null })
})

app.post('/wait', { schema: { body: contact } }, async (request, reply) => {
  // some are kept: one that is gone when it is waited for counts as failed
  const job = await queue.add('store', { form: 'contact', data: request.body }, { removeOnComplete: 1000 })
  await job.waitUntilFinished(events)
  return reply.send({ id: job.id })
})

process.once('SIGTERM', async () => {
  await app.close()
  await queue.close()
  await events.close()
  await connection.quit()
})

await Promise.all([queue.waitUntilReady(), events.waitUntilReady()])
await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

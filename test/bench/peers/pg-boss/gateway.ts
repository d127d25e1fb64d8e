/** Fastify and pg-boss: one `send`, and so one committed job row, a request. */
import Fastify from 'fastify'
import { contact } from '../contact.js'
import { QUEUE, startBoss } from './queue.js'

const boss = await startBoss()
const app = Fastify()

app.post('/async', { schema: { body: contact } }, async (request, reply) => {
  const id = await boss.send(QUEUE, { form: 'contact', data: request.body })
  return reply.code(202).send({ id, status: 'queued' })
})

process.once('SIGTERM', async () => {
  await app.close()
  await boss.stop()
})

await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

/** Not a peer but a limit: what Fastify answers per second when there is nothing to do. */
import Fastify from 'fastify'
import { LIST } from '../../task-list.js'

const app = Fastify()

app.get('/', async () => ({ id: '01932d5e-7c00-7000-8000-000000000000', status: 'queued' }))

const list = Buffer.from(LIST)
app.get('/tasks', async (_request, reply) => reply.header('content-type', 'application/json; charset=utf-8').send(list))

process.once('SIGTERM', () => app.close())

await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

/**
 * Not a peer but a limit: the least that gives Beeline's answers from Beeline's ledger, through its shared commits and its Bee-Queue.
 * Who waits hears of the end by a message. Nobody is held to limits or asked for a key, nothing is leased, and what Redis has lost stays
 * where it is.
 */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { uuidv7 } from 'uuidv7'
import { HEADERS } from '#plugins/security'
import { createGroupCommit, type GroupCommitOptions } from '../../../../plugins/database/group-commit.js'
import { createGroupRead } from '../../../../plugins/database/group-read.js'
import { insertJobs } from '../../../../plugins/ledger/queries/accept.js'
import { findEnds } from '../../../../plugins/ledger/queries/read.js'
import { insertionOf } from '../../../../plugins/submissions/queries.js'
import { findTasks, taskKey } from '../../../../plugins/tasks/queries.js'
import { inBlocks } from '../../../../services/log-blocks.js'
import { LIST } from '../../task-list.js'
import { contact } from '../contact.js'
import { carrier, closeStores, ENDED, pool, QUEUE, redis } from './stores.js'

const subscriber = redis.duplicate()
const app = Fastify({ genReqId: () => randomUUID() })

// what every answer carries, as cheaply as can be
const log = inBlocks((text) => process.stdout.write(text), 65_536)
app.addHook('onRequest', (request, reply, done) => {
  reply.header('x-request-id', request.id).headers(HEADERS)
  done()
})
app.addHook('onResponse', ({ id, method, url, ip }, { statusCode, elapsedTime }, done) => {
  const [time, ms] = [Date.now(), Math.round(elapsedTime * 10) / 10]
  log.write(
    `{"time":${time},"reqId":"${id}","method":"${method}","path":"${url}","status":${statusCode},"ms":${ms},"ip":"${ip}"}\n`
  )
  done()
})

interface Item {
  id: string
  json: string
}

const store = createGroupCommit(pool, {
  write: async (client, items: Item[]) => {
    await client.query(insertionOf('sync', items))
    return items
  }
})

app.post('/sync', { schema: { body: contact } }, async (request, reply) => {
  const id = uuidv7()
  await store({ id, json: JSON.stringify({ id, form: 'contact', data: request.body }) })
  return reply.code(201).header('location', `/sync/contact/${id}`).send({ id, form: 'contact' })
})

const ends = new Map<string, () => void>()
const acceptor = randomUUID()

/** Nothing brings them again: the count of rows at the end will differ. */
const tellLoss = (error: Error) => process.stderr.write(`a delivery was lost: ${error.message}\n`)

const createAccept = (options: Pick<GroupCommitOptions<Item, Item>, 'gather'>) =>
  createGroupCommit(pool, {
    ...options,
    write: async (client, rows: Item[]) => {
      await insertJobs(client, { rows, deliveryOf: new Map(), process: acceptor })
      carrier.push(QUEUE, [{ id: uuidv7(), ids: rows.map(({ id }) => id) }]).catch(tellLoss)
      return rows
    }
  })
const accept = createAccept({})
const acceptAwaited = createAccept({ gather: { enough: () => Math.ceil(ends.size / 2), patienceMs: 2 } })

const toJob = (id: string, data: unknown): Item => ({
  id,
  json: JSON.stringify({
    id,
    type: 'store-submission',
    queue: 'submissions',
    payload: { form: 'contact', data },
    schema_version: 1,
    max_attempts: 5,
    timeout_ms: 30_000,
    submitter: 'nobody'
  })
})

app.post('/async', { schema: { body: contact } }, async (request, reply) => {
  const id = uuidv7()
  await accept(toJob(id, request.body))
  return reply.code(202).header('location', `/async/contact/${id}`).send({ id, status: 'queued' })
})

subscriber.on('message', (_channel, ids: string) => {
  for (const id of ids.split(',')) {
    ends.get(id)?.()
    ends.delete(id)
  }
})
const findEnd = createGroupRead(pool, findEnds)

app.post('/wait', { schema: { body: contact } }, async (request, reply) => {
  const id = uuidv7()
  const ended = new Promise<void>((resolve) => ends.set(id, resolve))
  await acceptAwaited(toJob(id, request.body))
  await ended
  const end = await findEnd(id)
  return reply.header('location', `/api/jobs/${id}`).send(end?.result)
})

// the list is in memory; Redis is asked for its version, once for all who ask at a time
let version: Promise<string | null> | undefined
app.get('/tasks', async (_request, reply) => {
  version ??= redis.get('least:version').finally(() => {
    version = undefined
  })
  await version
  return reply.header('content-type', 'application/json; charset=utf-8').send(LIST)
})

const findTask = createGroupRead(pool, findTasks)

app.get('/tasks/:id', async (request, reply) => {
  const task = await findTask(taskKey(null, Number(Object(request.params).id)))
  if (!task) return reply.code(404).send()
  return reply.headers({ etag: `"${task.version}"`, 'content-type': 'application/json; charset=utf-8' }).send(task.json)
})

process.once('SIGTERM', async () => {
  await app.close()
  subscriber.disconnect()
  await closeStores()
})

await subscriber.subscribe(ENDED)
await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

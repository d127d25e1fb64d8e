/**
 * Not a peer but a limit: the least that commits before it answers. One commit that others share; ids through a Redis list; who waits
 * hears of the end by a message. No log, header, limit, key, lease, retry, and nobody looks for what Redis has lost.
 */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { LIST } from '../../task-list.js'
import { contact } from '../contact.js'

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const redis = new Redis(process.env.REDIS_URL ?? '')
const subscriber = redis.duplicate()
const app = Fastify()

interface Item {
  id: string
  json: string
}

/** Calls that come while a statement is in flight share the next one; each is answered its place in the results, if there are any. */
function group<Asked, Answer>(send: (asked: Asked[]) => Promise<Answer[] | undefined>) {
  let waiting: { item: Asked; resolve: (answer?: Answer) => void; reject: (error: unknown) => void }[] = []
  let busy = false
  async function drain() {
    busy = true
    while (waiting.length) {
      const taken = waiting
      waiting = []
      try {
        const answers = await send(taken.map(({ item }) => item))
        for (const [i, { resolve }] of taken.entries()) resolve(answers?.[i])
      } catch (error) {
        for (const { reject } of taken) reject(error)
      }
    }
    busy = false
  }
  return (item: Asked) =>
    new Promise<Answer | undefined>((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!busy) void drain()
    })
}

const asArray = (items: Item[]) => `[${items.map(({ json }) => json).join()}]`

const store = group<Item, never>(async (items) => {
  await pool.query({
    name: 'store',
    text: `insert into submissions (id, form, mode, data)
           select id, 'contact', 'sync', data from jsonb_to_recordset($1::jsonb) as given (id uuid, data jsonb)`,
    values: [asArray(items)]
  })
  return undefined
})

const accept = group<Item, never>(async (items) => {
  await pool.query({
    name: 'accept',
    text: `insert into jobs (id, payload) select id, data from jsonb_to_recordset($1::jsonb) as given (id uuid, data jsonb)`,
    values: [asArray(items)]
  })
  void redis.lpush('least:waiting', items.map(({ id }) => id).join())
  return undefined
})

app.post('/sync', { schema: { body: contact } }, async (request, reply) => {
  const id = randomUUID()
  await store({ id, json: JSON.stringify({ id, data: request.body }) })
  return reply.code(201).send({ id })
})

app.post('/async', { schema: { body: contact } }, async (request, reply) => {
  const id = randomUUID()
  await accept({ id, json: JSON.stringify({ id, data: request.body }) })
  return reply.code(202).send({ id, status: 'queued' })
})

const ends = new Map<string, () => void>()
subscriber.on('message', (_channel, ids: string) => {
  for (const id of ids.split(',')) {
    ends.get(id)?.()
    ends.delete(id)
  }
})

app.post('/wait', { schema: { body: contact } }, async (request, reply) => {
  const id = randomUUID()
  const ended = new Promise<void>((resolve) => ends.set(id, resolve))
  await accept({ id, json: JSON.stringify({ id, data: request.body }) })
  await ended
  return reply.send({ id })
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

const findTask = group<number, string | undefined>(async (ids) => {
  const { rows } = await pool.query<{ id: number; json: string }>({
    name: 'find',
    text: `select id, row_to_json(tasks)::text as json from tasks where id = any($1::int[])`,
    values: [ids]
  })
  const found = new Map(rows.map(({ id, json }) => [id, json]))
  return ids.map((id) => found.get(id))
})

app.get('/tasks/:id', async (request, reply) => {
  const json = await findTask(Number(Object(request.params).id))
  if (!json) return reply.code(404).send()
  return reply.header('content-type', 'application/json; charset=utf-8').send(json)
})

process.once('SIGTERM', async () => {
  await app.close()
  redis.disconnect()
  subscriber.disconnect()
  await pool.end()
})

await subscriber.subscribe('least:ended')
await app.listen({ port: Number(process.env.PORT) })
process.stdout.write('ready\n')

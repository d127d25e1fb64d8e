/** Tasks over HTTP. The first page of the list comes from the cache, which hears of every change before its answer. */
import type { FastifyInstance, FastifyReply, FastifyRequest, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { TaskChange, TaskDraft } from '#schema/task'
import { withoutAliases } from './aliases.js'
import {
  changeContract,
  createContract,
  listContract,
  readContract,
  removeContract,
  replaceContract
} from './contract.js'
import { etagOf, isKnown, readExcluded, readVersions } from './etag.js'
import { answerList, JSON_TYPE } from './list.js'
import { findTasks, type Owner, type TaskRow, type TaskWrite, taskKey } from './queries.js'
import { createWrites, noTask } from './write.js'

export { listKey } from './list.js'

export interface TasksOptions {
  /** Time that a list is kept at the most, in ms. Default 60,000. */
  cacheMs?: number
}

async function tasks(app: FastifyInstance, { cacheMs = 60_000 }: TasksOptions) {
  const writes = createWrites(app)
  const find = app.groupRead(findTasks)

  // those who say who they are have limits of their own
  const limit: preValidationHookHandler = function (request, reply, done) {
    if (request.principal) done()
    else app.submissionLimit.call(this, request, reply, done)
  }

  app.removeContentTypeParser('application/x-www-form-urlencoded') // programs send JSON
  app.addHook('preValidation', (request, _reply, done) => {
    request.body = withoutAliases(request.body)
    done()
  })

  app.get('/api/tasks', { schema: listContract }, answerList(app, cacheMs, ownerOf))

  app.post('/api/tasks', { schema: createContract, preValidation: limit }, async (request, reply) => {
    const key = app.idempotency.readKey(request, { route: '/api/tasks', asked: request.body })
    const { task, replayed } = await writes.add(ownerOf(request), request.body as TaskDraft, key)
    if (replayed) reply.header('idempotency-replayed', 'true')
    return answer(reply.code(201).header('location', `/api/tasks/${task.id}`), task)
  })

  app.get('/api/tasks/:id', { schema: readContract }, async (request, reply) => {
    const { id } = request.params as { id: number }
    const task = await find(taskKey(ownerOf(request), id))
    if (!task) throw noTask(id)
    reply.header('cache-control', 'private, no-cache')
    if (!isKnown(request.headers['if-none-match'], etagOf(task))) return answer(reply, task)
    return reply.header('etag', etagOf(task)).code(304).send()
  })

  app.put('/api/tasks/:id', { schema: replaceContract, preValidation: limit }, async (request, reply) => {
    const { description = '', is_done = false, ...draft } = request.body as TaskDraft
    return answer(reply, await writes.change(readWrite(request), { ...draft, description, is_done }))
  })

  app.patch('/api/tasks/:id', { schema: changeContract, preValidation: limit }, async (request, reply) =>
    answer(reply, await writes.change(readWrite(request), request.body as TaskChange))
  )

  app.delete('/api/tasks/:id', { schema: removeContract, preValidation: limit }, async (request, reply) => {
    await writes.remove(readWrite(request))
    return reply.code(204).send()
  })
}

/** Whose tasks a request is about: those of nobody for callers without an account, the environment's key among them. */
const ownerOf = ({ principal }: FastifyRequest): Owner => principal?.userId ?? null

function readWrite(request: FastifyRequest): TaskWrite {
  const { id } = request.params as { id: number }
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers
  return { id, owner: ownerOf(request), versions: readVersions(ifMatch), excluded: readExcluded(ifNoneMatch) }
}

const answer = (reply: FastifyReply, task: TaskRow) =>
  reply.header('etag', etagOf(task)).type(JSON_TYPE).send(task.json)

export default fp(tasks, {
  name: 'tasks',
  fastify: '5.x',
  encapsulate: true,
  decorators: {
    fastify: ['pg', 'groupCommit', 'groupRead', 'idempotency', 'cache', 'submissionLimit'],
    request: ['principal']
  }
})

/** The tasks of one gateway, open to all, on servers of its own. */
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { Task, TaskList } from '#schema/task'
import { seed } from '../../infra/postgres/seed.js'
import { startGateway } from './processes.js'
import { clientOf, startServers } from './stack.js'

export async function startTasks(t: Test) {
  const { postgres, redis, env, sql } = await startServers(t)
  await seed(postgres.ownerUrl)
  const gateway = await startGateway(t, { ...env, PUBLIC_TASKS: 'true', CACHE_TTL_MS: '30000' })
  const { get, post } = clientOf(() => gateway.url)
  const keys = new Redis(redis.url)
  t.teardown(() => keys.disconnect())

  return {
    gateway,
    sql,
    keys,
    get,
    post,
    send: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      fetch(gateway.url + path, {
        method,
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) })
      }),
    list: async (query = '') => {
      const answer = await get(`/api/tasks${query}`)
      return { answer, headers: answer.headers, body: (await answer.json()) as TaskList }
    },
    add: async (draft: object = { title: 'Feed the bees' }) => (await (await post('/api/tasks', draft)).json()) as Task,
    read: async (id: number) => (await get(`/api/tasks/${id}`)).json()
  }
}

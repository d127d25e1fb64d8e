/** What the figures were measured on. */
import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import type { Servers } from './servers.js'

/** Lines for the report: no name and no path of this machine. */
export async function describeMachine({ admin, redis }: Servers, tool: string): Promise<string[]> {
  const { rows } = await admin.query<{ server_version: string }>('show server_version')
  const redisVersion = (await redis.info('server')).match(/^(redis|valkey)_version:(.+?)\r?$/m)
  const packages = ['fastify', 'bee-queue', 'bullmq', 'pg-boss', 'pg']
  const versions = await Promise.all(packages.map(async (name) => `${name} ${await versionOf(name)}`))
  return [
    `${cpus().length} cores (${cpus()[0]?.model.trim() || process.arch}), ${Math.round(totalmem() / 2 ** 30)} GB of memory, ${process.platform}; load and servers share them`,
    `Node ${process.versions.node}, PostgreSQL ${rows[0]?.server_version}, Redis ${redisVersion?.[2]}, load by ${tool}`,
    versions.join(', ')
  ]
}

async function versionOf(name: string): Promise<string> {
  return JSON.parse(await readFile(`node_modules/${name}/package.json`, 'utf8')).version
}

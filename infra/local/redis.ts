import { mkdir } from 'node:fs/promises'
import type { RedisProgram } from './redis-program.js'
import { type ServerProcess, type ServerProcessOptions, spawnServer } from './server-process.js'

export interface Redis extends Omit<ServerProcess, 'stop'> {
  stop(): Promise<void>
}

export interface RedisOptions extends Pick<ServerProcessOptions, 'onStart' | 'onLine' | 'signal'> {
  port: number
  /** Folder of its files. */
  dir: string
  /** Keep an append-only file (everysec). Default true. */
  persistent?: boolean
}

/** Starts valkey-server or redis-server on the loopback address and resolves when it takes connections. */
export async function startRedis({ command, libraries }: RedisProgram, options: RedisOptions): Promise<Redis> {
  const { port, dir, persistent = true, ...rest } = options
  await mkdir(dir, { recursive: true })
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    appendonly: persistent ? 'yes' : 'no',
    // the queue's keys have no expiry, so only the cache can be evicted
    'maxmemory-policy': 'volatile-lru',
    daemonize: 'no'
  }
  const server = await spawnServer({
    ...rest,
    name: 'Redis',
    command,
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    ready: /Ready to accept connections/,
    env: { ...process.env, ...(libraries && { LD_LIBRARY_PATH: libraries }) },
    detached: true
  })
  return { ...server, stop: () => server.stop('SIGTERM').then(() => undefined) }
}

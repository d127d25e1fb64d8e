/** nginx in front of the gateway, with the configuration that ships; its limits are raised, not switched off. */
import { join } from 'node:path'
import { findNginx, startNginx } from '../../infra/local/nginx.js'
import { findFreePort } from '../../infra/local/ports.js'
import { sendTo } from '../../infra/local/process-list.js'
import type { BenchProcess } from './bench-process.js'

/** Who answers the list of tasks (TASKS_SOURCE). */
export type TasksSource = 'gateway' | 'redis'

export interface Front extends BenchProcess {
  url: string
}

interface FrontOptions {
  source: TasksSource
  /** Address of the gateway. */
  gateway: string
  redisUrl: string
  /** Folder of its files. */
  dir: string
}

const HOST = '127.0.0.1'

export async function startFront({ source, gateway, redisUrl, dir }: FrontOptions): Promise<Front> {
  const program = await findNginx()
  if (!program) throw new Error('nginx is missing')
  const [port, httpsPort] = await Promise.all([findFreePort(), findFreePort()])
  const { pid, stop } = await startNginx({
    ...{ program, dir, host: HOST, port, httpsPort, gateways: [gateway] },
    accessLog: join(dir, 'access.log'),
    environment: {
      TLS_DIR: join(dir, 'tls'),
      REQUESTS_PER_SECOND: '100000000',
      CONNECTIONS_PER_ADDRESS: '1000',
      PUBLIC_TASKS: 'true',
      TASKS_SOURCE: source,
      TASKS_REDIS: new URL(redisUrl).host
    }
  })
  const kill = () => void sendTo(-pid, 'SIGKILL')
  process.once('exit', kill) // an interrupted benchmark leaves nothing behind
  return {
    pid,
    url: `http://${HOST}:${port}`,
    stop: async () => {
      await stop()
      process.off('exit', kill)
    }
  }
}

import { join } from 'node:path'
import type { Environment } from './env-file.js'
import { sendTo } from './process-list.js'
import { findProgram } from './programs.js'
import { type ServerProcess, type ServerProcessOptions, spawnServer } from './server-process.js'
import { ROOT } from './settings.js'

export interface NginxOptions extends Pick<ServerProcessOptions, 'onStart' | 'onLine' | 'signal'> {
  program: string
  /** Folder of its filled-in configuration and its files. */
  dir: string
  /** Where it writes a line for each request. */
  accessLog: string
  /** Address on which it listens. */
  host: string
  port: number
  httpsPort: number
  /** Addresses of the gateways, as http://127.0.0.1:3000. */
  gateways: string[]
  /** The settings that infra/nginx/start.sh reads. */
  environment: Environment
}

/** Requests in flight get 10 s after a stop, see infra/nginx/conf/nginx.conf. */
const GRACE_MS = 12_000

/** Also where only root looks by default. */
export const findNginx = () => findProgram(['nginx'])

/** Starts nginx in front of the gateways and resolves when it listens. */
export async function startNginx(
  options: NginxOptions
): Promise<Omit<ServerProcess, 'stop'> & { stop(): Promise<void> }> {
  const { program, dir, accessLog, host, port, httpsPort, gateways, environment, ...rest } = options
  const listen = (number: number) => `${host.includes(':') ? `[${host}]` : host}:${number}`
  const server = await spawnServer({
    ...rest,
    name: 'nginx',
    command: 'sh',
    args: [join(ROOT, 'infra/nginx/start.sh')],
    ready: /start worker process/,
    env: {
      PATH: process.env.PATH,
      ...environment,
      NGINX_PROGRAM: program,
      NGINX_DIR: dir,
      ACCESS_LOG: accessLog,
      GATEWAYS: gateways.map((url) => new URL(url).host).join(' '),
      HTTP_LISTEN: listen(port),
      HTTPS_LISTEN: listen(httpsPort),
      HTTPS_PORT: String(httpsPort)
    },
    detached: true
  })
  // when it is killed, its processes go on and keep the port: they are of one group
  server.exited.then(() => sendTo(-server.pid, 'SIGKILL'))
  return { ...server, stop: () => server.stop('SIGQUIT', GRACE_MS).then(() => undefined) }
}

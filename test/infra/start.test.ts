import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { type ServerProcess, spawnServer } from '../../infra/local/server-process.js'
import { startPostgres, startRedis } from '../helpers/services.js'

const SCRIPTS = {
  gateway: join(import.meta.dirname, '../../services/gateway/server.js'),
  consumer: join(import.meta.dirname, '../../services/consumer/server.js')
}
const SECRET_KEY = 'a-secret-for-tests-of-at-least-32-characters'
const ADDRESSES = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', REDIS_URL: 'redis://127.0.0.1:1' }

/** Starts a service with exactly these variables and waits for its end. */
function startAndFail(script: string, env: Record<string, string>): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script], { env, timeout: 20_000 }, (error, _stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stderr })
    })
  })
}

for (const [service, script] of Object.entries(SCRIPTS)) {
  t.test(`A14 the ${service} without SECRET_KEY exits 1 and names it in one line`, async (t) => {
    const { code, stderr } = await startAndFail(script, ADDRESSES)
    t.equal(code, 1)
    t.match(stderr, /^SECRET_KEY [^\n]+\n$/)
  })

  t.test(`D12 the ${service} with PORT=abc exits 1 and names it in one line`, async (t) => {
    const { code, stderr } = await startAndFail(script, { ...ADDRESSES, SECRET_KEY, PORT: 'abc' })
    t.equal(code, 1)
    t.match(stderr, /^PORT [^\n]+\n$/)
  })

  t.test(`the ${service} never shows the value of a wrong setting`, async (t) => {
    const { code, stderr } = await startAndFail(script, {
      ...ADDRESSES,
      SECRET_KEY: 'hunter2',
      DATABASE_URL: 'hunter3'
    })
    t.equal(code, 1)
    t.match(stderr, /^SECRET_KEY /m)
    t.match(stderr, /^DATABASE_URL /m)
    t.notMatch(stderr, /hunter/)
  })
}

t.test('E2 both start with exactly the names of the other set-up', async (t) => {
  const [postgres, redis] = await Promise.all([startPostgres(t), startRedis(t)])
  const { username, password, host, pathname } = new URL(postgres.url)
  const env = {
    SECRET_KEY,
    API_KEY: 'a-key-of-the-other-set-up',
    POSTGRESQL_USER: username,
    POSTGRESQL_PASSWORD: password,
    POSTGRESQL_HOST: host,
    POSTGRESQL_DATABASE: pathname.slice(1),
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redis.port),
    REDIS_DB: '0',
    REDIS_PASSWORD: '',
    ENVIRONMENT: 'production',
    MS_HOST: '0.0.0.0',
    MS_PORT: '0',
    CONSUMER_PORT: '0'
  }
  const started: ServerProcess[] = []
  t.teardown(() => Promise.all(started.map((server) => server.stop('SIGKILL'))))
  for (const [name, script] of Object.entries(SCRIPTS)) {
    const ready = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/
    const server = await spawnServer({ name, command: process.execPath, args: [script], env, ready })
    started.push(server)
    const response = await fetch(`http://127.0.0.1:${server.ready[1]}/readyz`)
    t.match([response.status, await response.json()], [200, { postgres: 'up', redis: 'up' }], name)
  }
})

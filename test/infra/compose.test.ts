// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what Compose fills in, as it stands in the file
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv, promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { Config, readConfig } from '#schema/config'
import { stopTimes } from '../../services/stop-times.js'

interface Service {
  image: string
  profiles?: string[]
  env_file?: string[]
  user?: string
  restart?: string
  ports?: string[]
  environment?: Record<string, string>
  healthcheck?: { test?: string[]; disable?: boolean }
  volumes?: string[]
  networks?: string[]
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  mem_limit?: string
  init?: boolean
  stop_grace_period?: string
  depends_on?: Record<string, { condition: string }>
}

interface Compose {
  services: Record<string, Service>
  networks: Record<string, { internal?: boolean }>
  volumes: Record<string, unknown>
}

const DOCKERFILES = ['infra/Dockerfile', 'infra/nginx/Dockerfile']
const ROOT = join(import.meta.dirname, '../../..')
const read = (path: string) => readFile(join(ROOT, path), 'utf8')
const run = promisify(execFile)

const source = await read('docker-compose.yml')
const { services, networks, volumes }: Compose = parse(source, { merge: true })
const serviceOf = (name: string): Service => services[name] ?? { image: '' }
const all = Object.entries(services)
const requiredSecrets = [...new Set([...source.matchAll(/\$\{(\w+):\?/g)].map(([, name = '']) => name))].sort()
const lasting = all.filter(([name]) => name !== 'migrate')

t.test('C5 containers: every part is there, comes back by itself and is watched', async (t) => {
  const parts = ['certbot', 'consumer', 'gateway', 'migrate', 'nginx', 'postgres', 'redis']
  t.strictSame(Object.keys(services).sort(), parts)
  t.strictSame(serviceOf('certbot').profiles, ['certbot'], 'only when asked for')
  for (const [name, { restart, healthcheck }] of lasting) {
    t.equal(restart, 'unless-stopped', name)
    t.ok(healthcheck?.test && !healthcheck.disable, `${name} has a health check`)
  }
  t.match(serviceOf('migrate'), { restart: 'no', depends_on: { postgres: { condition: 'service_healthy' } } })
  for (const name of ['gateway', 'consumer']) {
    t.match(serviceOf(name).depends_on, { migrate: { condition: 'service_completed_successfully' } }, name)
  }
  t.match(serviceOf('nginx').depends_on, { gateway: { condition: 'service_healthy' } })
  for (const name of ['nginx', 'gateway', 'consumer']) {
    t.strictSame(serviceOf(name).env_file, ['infra/profiles/${PROFILE:-single}.env'], `${name} has a profile`)
  }
})

t.test('C5 containers: data lie in named volumes', async (t) => {
  const mounted = all.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
  const named = mounted.filter((volume) => !volume.startsWith('.'))
  t.strictSame([...new Set(named)].sort(), Object.keys(volumes).sort())
  t.strictSame([...new Set(named)].sort(), ['postgres-data', 'redis-data', 'tls'])
  const redis = await read('infra/redis/redis.conf')
  t.match(redis, /^appendonly yes$/m)
  t.match(redis, /^maxmemory-policy volatile-lru$/m)
})

t.test('B1 containers: nginx publishes 80 and 443, and nobody else anything', async (t) => {
  const published = all.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`))
  t.strictSame(published, [
    'nginx ${HOST:-127.0.0.1}:${HTTP_PORT:-80}:8080',
    'nginx ${HOST:-127.0.0.1}:${HTTPS_PORT:-443}:8443'
  ])
})

t.test('C5 containers: who need not meet cannot, and who calls nobody outside cannot', async (t) => {
  const places = Object.fromEntries(all.map(([name, { networks }]) => [name, networks]))
  t.strictSame(places, {
    postgres: ['back'],
    redis: ['back'],
    migrate: ['back'],
    nginx: ['front', 'public'],
    certbot: ['public'],
    gateway: ['front', 'back'],
    consumer: ['back', 'outside']
  })
  t.match(networks, { front: { internal: true }, back: { internal: true } })
  t.equal(serviceOf('gateway').environment?.TRUST_PROXY, '${TRUST_PROXY:-nginx}', 'C15 and nobody else')
})

t.test('A20 containers: none runs as root, writes to its image or gains rights', async (t) => {
  for (const [name, service] of all) {
    t.notMatch(service.user ?? 'root', /^(root|0)(:|$)/, name)
    t.match(
      service,
      { read_only: true, init: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], mem_limit: String },
      name
    )
  }
  for (const name of DOCKERFILES) t.match(await read(name), /^USER [1-9]\d*:[1-9]\d*$/m, name)
  t.match(await read('infra/Dockerfile'), /^STOPSIGNAL SIGTERM$/m)
  t.match(await read('infra/nginx/Dockerfile'), /^STOPSIGNAL SIGQUIT$/m)
})

t.test('B17 containers: every base image comes from REGISTRY', async (t) => {
  const dockerfiles = await Promise.all(DOCKERFILES.map(read))
  const stages = dockerfiles.flatMap((text) => [...text.matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)])
  const own = [...stages.map(([, , name]) => name), 'tasks-from-${TASKS_SOURCE}']
  const foreign = stages.map(([, image = '']) => image).filter((image) => !own.includes(image))
  t.equal(foreign.length, 4)
  for (const image of foreign) t.match(image, /^\$\{REGISTRY\}\/[a-z]+:/)
  const pulled = all.filter(([, { image }]) => !image.includes('COMPOSE_PROJECT_NAME'))
  t.strictSame(pulled.map(([name]) => name).sort(), ['certbot', 'postgres', 'redis'])
  for (const [name, { image }] of pulled) {
    const of = name === 'certbot' ? /^\$\{CERTBOT_IMAGE:-/ : /^\$\{REGISTRY:-docker.io\/library\}\/[a-z]+:\d/
    t.match(image, of, name)
  }
  const script = await read('infra/containers.sh')
  t.match(script, 'CERTBOT_IMAGE "${registry:+${registry%/library}/certbot/certbot:latest}"', 'that one too')
})

t.test('A14 containers: secrets have no default, and the services never see that of the owner', async (t) => {
  t.strictSame(requiredSecrets, ['DATABASE_OWNER_PASSWORD', 'DATABASE_PASSWORD', 'SECRET_KEY'])
  for (const name of requiredSecrets) t.notMatch(source, new RegExp(`\\$\\{${name}(:-|\\})`), `${name} has no default`)
  for (const name of ['gateway', 'consumer']) t.notMatch(JSON.stringify(serviceOf(name)), 'DATABASE_OWNER', name)
})

t.test('containers: every setting reaches both services', async (t) => {
  // the profile comes from its file, which tells its name
  const settings = Object.keys(Config.properties).filter((name) => !['DATABASE_OWNER_URL', 'PROFILE'].includes(name))
  const { SHUTDOWN_GRACE_MS } = readConfig({
    SECRET_KEY: 'x'.repeat(32),
    API_KEY: 'x'.repeat(32),
    DATABASE_URL: 'postgres://localhost',
    REDIS_URL: 'redis://localhost'
  })
  for (const name of ['gateway', 'consumer']) {
    t.strictSame(Object.keys(serviceOf(name).environment ?? {}).sort(), settings.sort(), name)
    const { stop_grace_period: grace = '' } = serviceOf(name)
    const preset = /\$\{SHUTDOWN_GRACE_MS:-(\d+)\}/.exec(grace)?.[1]
    t.equal(Number(preset), SHUTDOWN_GRACE_MS, `${name}: the same default`)
    for (const given of [SHUTDOWN_GRACE_MS, 600_000]) {
      const period = grace.replace(/\$\{.*?\}/, String(given))
      t.ok(toMilliseconds(period) > stopTimes(given).service, `${name} may finish what it does within ${period}`)
    }
  }
})

/** A duration as Compose reads it: the sum of its parts. */
function toMilliseconds(duration: string): number {
  t.match(duration, /^(\d+(ms|s))+$/)
  const parts = [...duration.matchAll(/(\d+)(ms|s)/g)]
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unit === 's' ? 1_000 : 1), 0)
}

t.test('the secrets are made without Node, and once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-secrets-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'infra'))
  await cp(join(ROOT, 'infra/secrets.sh'), join(folder, 'infra/secrets.sh'))
  const makeSecrets = (given = {}) =>
    run(join(folder, 'infra/secrets.sh'), { env: { PATH: process.env.PATH, ...given } })
  const file = join(folder, '.env')
  const readEnv = () => readFile(file, 'utf8')

  await makeSecrets({ DATABASE_PASSWORD: 'given' })
  const first = await readEnv()
  t.notMatch(first, 'DATABASE_PASSWORD', 'what the environment gives is not made')
  await makeSecrets()
  const made = await readEnv()
  t.ok(made.startsWith(first), 'what is there stays')
  await makeSecrets()
  t.equal(await readEnv(), made)
  const { PUBLIC_TASKS, API_KEY = '', ...secrets } = parseEnv(made)
  t.equal(PUBLIC_TASKS, 'true', 'a new one is that of a sample set-up')
  t.strictSame(Object.keys(secrets).sort(), requiredSecrets, 'they are those that the containers ask for')
  for (const [name, value] of Object.entries({ ...secrets, API_KEY })) t.match(value, /^[0-9a-f]{64}$/, name)
  const isPrivate = async () => ((await stat(file)).mode & 0o077) === 0
  t.ok(await isPrivate(), 'nobody else can read them')

  const own = 'API_KEY=\nOPEN_REGISTRATION=true'
  await writeFile(file, own)
  await chmod(file, 0o644)
  await makeSecrets()
  const completed = await readEnv()
  t.ok(completed.startsWith(`${own}\n`), 'what somebody wrote stays as it is')
  t.strictSame(Object.keys(parseEnv(completed)).sort(), ['API_KEY', 'OPEN_REGISTRATION', ...requiredSecrets].sort())
  t.equal(parseEnv(completed).API_KEY, '', 'who wants no key has none')
  t.ok(await isPrivate(), 'though it was open before')

  await writeFile(file, 'SECRET_KEY=of-before')
  await makeSecrets()
  const { SECRET_KEY, API_KEY: added, ...rest } = parseEnv(await readEnv())
  t.equal(SECRET_KEY, 'of-before')
  t.match(added, /^[0-9a-f]{64}$/, 'who did not say otherwise has a key')
  t.strictSame(['SECRET_KEY', ...Object.keys(rest)].sort(), requiredSecrets, 'tasks are open in a new one alone')
})

t.test('the health check of the image tells well from unwell', async (t) => {
  let status = 200
  const server = createServer((_request, response) => response.writeHead(status).end('answer'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // a TCP server's address is one
  const check = () =>
    run(process.execPath, [join(ROOT, 'build/infra/healthcheck.js'), `http://127.0.0.1:${port}/readyz`])

  t.match(await check(), { stdout: '200 answer\n' })
  status = 503
  await t.rejects(check(), { code: 1, stdout: '503 answer\n' })
  await new Promise((resolve) => server.close(resolve))
  await t.rejects(check(), { code: 1, stdout: /ECONNREFUSED/ })
})

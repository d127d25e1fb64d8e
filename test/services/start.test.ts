import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { buildWith } from '../helpers/faulty-build.js'
import { type Environment, startConsumer, startGateway } from '../helpers/processes.js'

/** A start does not need its servers; none of these gets that far. */
const ENV: Environment = {
  DATABASE_URL: 'postgres://somebody:canary-password@127.0.0.1:1/x',
  REDIS_URL: 'redis://:canary-password@127.0.0.1:1',
  SECRET_KEY: 'canary-secret-of-at-least-32-characters'
}

const SERVICES = { gateway: startGateway, consumer: startConsumer }

/** What a service that refuses to start says on stderr, line by line. */
async function refusal(t: Test, service: keyof typeof SERVICES, env: Environment, build?: string): Promise<string[]> {
  const error = await SERVICES[service](t, { ...ENV, ...env }, build ? { build } : {}).catch((error: Error) => error)
  if (!(error instanceof Error)) throw new Error(`the ${service} started`)
  const [end, ...lines] = error.message.split('\n')
  t.equal(end, 'it ended with code 1', `the ${service} ends with 1`)
  t.notMatch(error.message, /canary/, 'and tells no secret')
  t.notMatch(error.message, /^\s+at /m, 'and no stack')
  return lines.filter((line) => !line.startsWith('{'))
}

const JOB = (queue: string) => `
import Type from 'typebox'
import { defineJob } from '../job.js'
export default defineJob({
  title: 'Extra', queue: ${queue}, version: 1, payload: Type.Object({}, { additionalProperties: false }), result: Type.Null(),
  limits: { maxAttempts: 1, timeoutMs: 1000, batch: 1, concurrency: 1 }
})`

t.test('A14 D12 a missing secret or a wrong setting stops both services, one line each, naming it', async (t) => {
  for (const service of ['gateway', 'consumer'] as const) {
    const [line, ...more] = await refusal(t, service, { SECRET_KEY: undefined })
    t.match(line, /^SECRET_KEY is required \(.*at least 32 characters.*\); set it in the environment or in \.env$/)
    t.strictSame(more, [])
  }
  const lines = await refusal(t, 'gateway', {
    PORT: 'abc',
    LOG_LEVEL: 'loud',
    DATABASE_URL: undefined,
    SECRET_KEY: 'short'
  })
  t.equal(lines.length, 4, 'all at once')
  for (const name of ['PORT', 'LOG_LEVEL', 'DATABASE_URL', 'SECRET_KEY']) {
    t.equal(lines.filter((line) => line.startsWith(`${name} `)).length, 1, name)
  }
})

t.test('an address that no client can use, or a host that is no address, is named', async (t) => {
  const wrong: [Environment, RegExp][] = [
    [{ REDIS_URL: 'redis://cache:999999' }, /^REDIS_URL must be an address such as redis:/],
    [{ DATABASE_URL: 'postgres://u:canary@db:99999/x' }, /^DATABASE_URL must be an address such as postgres:/],
    [{ DATABASE_URL: 'postgres://u@db/x?sslmode=canary' }, /^DATABASE_URL has an unknown sslmode: it must be one of /],
    [
      { DATABASE_URL: 'postgres://u@db/x?sslcert=/canary' },
      /^DATABASE_URL names a file as sslcert that cannot be read /
    ],
    [{ REDIS_URL: 'redis://cache/canary' }, /^REDIS_URL must be an address such as redis:/],
    [{ TRUST_PROXY: 'http://nginx' }, /^TRUST_PROXY must be addresses such as/],
    [{ HOST: '999.1.1.1' }, /^HOST: 999\.1\.1\.1 is no address of this machine: set another/],
    [{ HOST: '192.0.2.1' }, /^HOST: 192\.0\.2\.1 is no address of this machine: set another/],
    [{ DEFAULT_FORM: 'nope' }, /^DEFAULT_FORM: there is no form 'nope'; choose one of: contact, damage-report, /]
  ]
  await Promise.all(
    wrong.map(async ([env, message]) => {
      const lines = await refusal(t, 'gateway', env)
      t.equal(lines.length, 1)
      t.match(lines[0], message)
    })
  )
})

t.test('a taken port is named, with the setting to change', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const port = String(Object(server.address()).port)
  for (const [service, setting] of [
    ['gateway', 'PORT'],
    ['consumer', 'CONSUMER_PORT']
  ] as const) {
    t.strictSame(await refusal(t, service, { [setting]: port }), [
      `port ${port} on 127.0.0.1 is taken: stop what listens there, or set another ${setting}`
    ])
  }
})

t.test('a definition without its handler, and a handler without its definition, stop the consumer', async (t) => {
  const build = await buildWith(t, {
    'schema/jobs/lonely.js': JOB("'lonely'"),
    'services/consumer/handlers/orphan.js': 'export default () => ({ run: () => null })'
  })
  t.strictSame(await refusal(t, 'consumer', {}, build), [
    'schema/jobs/lonely.ts has no handler: add services/consumer/handlers/lonely.ts',
    'services/consumer/handlers/orphan.ts has no definition: add schema/jobs/orphan.ts'
  ])
})

t.test('D24 a broken definition stops both services, and is named with what is wrong', async (t) => {
  const build = await buildWith(t, {
    'schema/jobs/no-queue.js': JOB('undefined'),
    'schema/forms/unbounded.js': `
      import Type from 'typebox'
      export default { title: 'Unbounded', job: 'nowhere', fields: { name: Type.String({ title: 'Name' }) } }`
  })
  for (const service of ['gateway', 'consumer'] as const) {
    t.strictSame(await refusal(t, service, {}, build), [
      'schema/jobs/no-queue.ts: queue is missing',
      'schema/forms/unbounded.ts: field name: a string needs maxLength',
      "schema/forms/unbounded.ts: job 'nowhere' has no definition in schema/jobs/nowhere.ts"
    ])
  }
})

t.test('a file that cannot be loaded, or exports nothing, is named', async (t) => {
  const faults: [string, string | undefined, RegExp][] = [
    ['schema/forms/odd.js', 'export const form = 1', /^schema\/forms\/odd\.ts has no default export/],
    ['schema/forms/odd.js', 'export default null', /^schema\/forms\/odd\.ts: its default export is no definition$/],
    ['schema/jobs/odd.js', 'export default {', /^schema\/jobs\/odd\.ts cannot be loaded: /],
    [
      'services/consumer/handlers/store-submission.js',
      'throw new Error("boom")',
      /^services\/consumer\/handlers\/store-submission\.ts cannot be loaded: boom$/
    ],
    ['services/consumer/handlers/store-submission.js', undefined, /^schema\/jobs\/store-submission\.ts has no handler/]
  ]
  await Promise.all(
    faults.map(async ([path, content, message]) => {
      const build = await buildWith(t, { [path]: content })
      const lines = await refusal(t, 'consumer', {}, build)
      t.equal(lines.length, 1)
      t.match(lines[0], message)
    })
  )
})

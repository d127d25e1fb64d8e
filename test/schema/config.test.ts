import t from 'tap'
import { ALIASES } from '#schema/aliases'
import { readAllowed } from '#schema/allowed-targets'
import { Config, describeSetting, readConfig } from '#schema/config'

const NEEDED = {
  SECRET_KEY: 'a-secret-for-tests-of-at-least-32-characters',
  DATABASE_URL: 'postgres://app:secret@db:5432/beeline',
  REDIS_URL: 'redis://cache:6379/0'
}

/** What the start would print. */
function faultsOf(environment: Record<string, string | undefined>): string[] {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof Error) return error.message.split('\n')
  }
  return []
}

t.test('D12 settings are typed, and what is not set has its default', async (t) => {
  const config = readConfig({ ...NEEDED, PORT: '8080', STRICT_START: 'true' })
  t.equal(config.PORT, 8080)
  t.equal(config.STRICT_START, true)
  t.equal(config.HOST, '127.0.0.1')
  t.equal(config.LOG_LEVEL, 'info')
  t.equal(config.NODE_ENV, 'production')
})

t.test('D12 no secret and no address has a default, and every setting says what it is for', async (t) => {
  for (const [name, schema] of Object.entries(Config.properties)) {
    if (/SECRET|PASSWORD|_URL$|TOKEN/.test(name)) t.notOk('default' in schema, `${name} has no default`)
    t.ok(describeSetting(name).length > 10, `${name} is described`)
  }
})

t.test('D12 a wrong value is one line that names the setting and what it must be', async (t) => {
  const wrong = {
    PORT: ['abc', 'must be a whole number'],
    CONSUMER_PORT: ['70000', 'must be at most 65535'],
    LOG_LEVEL: ['loud', 'must be one of: trace, debug'],
    NODE_ENV: ['staging', 'must be one of: production, development, test'],
    STRICT_START: ['maybe', 'must be true or false'],
    DATABASE_URL: ['mysql://db/x', 'must be an address such as postgres://'],
    DATABASE_OWNER_URL: ['postgres://db:99999/x', 'must be an address such as postgres://'],
    REDIS_URL: ['localhost:6379', 'must be an address such as redis://'],
    TRUST_PROXY: ['10.0.0.0/8, nginx:80', 'must be addresses such as 10.0.0.1'],
    COMMIT_DEADLINE_MS: ['1e3', 'must be a whole number']
  }
  for (const [name, [value, complaint]] of Object.entries(wrong)) {
    const faults = faultsOf({ ...NEEDED, [name]: value })
    t.equal(faults.length, 1, `${name} is one line`)
    t.match(faults[0], `${name} ${complaint}`)
    t.match(faults[0], 'set it in the environment or in .env', 'the line says the way out')
  }
})

t.test('a value of a wrong form is told the right one', async (t) => {
  const line = faultsOf({ ...NEEDED, LOADERIO_TOKEN: '../x' })[0]
  t.match(line, /^LOADERIO_TOKEN must be a token such as loaderio-0123456789abcdef/)
  const odd = Object.fromEntries(Object.keys(Config.properties).map((name) => [name, `ä ö ${'ü'.repeat(40)}`]))
  for (const fault of faultsOf(odd)) t.notMatch(fault, 'not accepted')
})

t.test('an address is refused for what its client would stumble on later', async (t) => {
  const wrong: [string, string, string][] = [
    ['DATABASE_URL', 'postgres://db/x?sslmode=bogus', 'has an unknown sslmode: it must be one of disable, prefer,'],
    ['DATABASE_URL', 'postgres://db/x?sslcert=/nowhere/a.pem', 'names a file as sslcert that cannot be read'],
    ['DATABASE_OWNER_URL', 'postgres://db/x?sslrootcert=/nowhere/a.pem', 'names a file as sslrootcert that cannot'],
    [
      'DATABASE_URL',
      'postgres://db/x?uselibpqcompat=true&sslmode=verify-ca',
      'needs sslrootcert for sslmode=verify-ca'
    ],
    ['REDIS_URL', 'redis://h/abc', 'must be an address such as redis://'],
    ['REDIS_URL', 'redis://h:6379/0/1', 'must be an address such as redis://'],
    ['REDIS_URL', 'redis://h?db=abc', 'must be an address such as redis://'],
    ['REDIS_URL', 'redis://', 'must be an address such as redis://']
  ]
  for (const [name, value, complaint] of wrong) {
    const faults = faultsOf({ ...NEEDED, [name]: value })
    t.equal(faults.length, 1, value)
    t.match(faults[0], `${name} ${complaint}`)
    t.notMatch(faults[0], /bogus|nowhere|abc/, 'no value is repeated')
  }
  const fine = {
    DATABASE_URL: `postgres://db/x?sslmode=verify-full&sslrootcert=${encodeURIComponent(import.meta.filename)}`,
    DATABASE_OWNER_URL: 'postgres://owner:p%40ss@[::1]:5433/x?sslmode=no-verify',
    REDIS_URL: 'rediss://user:p%2Fss@[::1]:6380/3'
  }
  t.match(readConfig({ ...NEEDED, ...fine }), fine)
  for (const url of ['redis://h', 'redis://h/', 'redis://h/15', 'redis://h?db=2']) {
    t.equal(readConfig({ ...NEEDED, REDIS_URL: url }).REDIS_URL, url)
  }
})

t.test('A14 what is missing is named, each setting in a line of its own', async (t) => {
  const faults = faultsOf({})
  t.equal(faults.length, 3)
  for (const name of ['SECRET_KEY', 'DATABASE_URL', 'REDIS_URL']) {
    t.ok(
      faults.some((line) => line.startsWith(`${name} is required`)),
      name
    )
  }
})

t.test('no message repeats a value: it may be a secret', async (t) => {
  const canary = 'canary-7f3a'
  const environment = Object.fromEntries(Object.keys(Config.properties).map((name) => [name, canary]))
  const faults = faultsOf(environment)
  t.ok(faults.length > 10)
  t.notMatch(faults.join('\n'), canary)
})

t.test('an empty value counts as absent', async (t) => {
  const config = readConfig({ ...NEEDED, PORT: '', TRUST_PROXY: '', DATABASE_OWNER_URL: '', LOADERIO_TOKEN: '' })
  t.equal(config.PORT, 3000)
  t.equal(config.TRUST_PROXY, undefined)
  t.match(faultsOf({ ...NEEDED, SECRET_KEY: '' })[0], 'SECRET_KEY is required')
})

t.test('what it does not know in the environment is left alone', async (t) => {
  t.notOk('PATH' in readConfig({ ...NEEDED, PATH: '/bin', npm_config_x: 'y' }))
})

t.test('OUTSIDE_ALLOW takes hosts, addresses and networks, each with or without a port', async (t) => {
  const good = [
    'intranet',
    'Intranet.Example:8080',
    '10.0.0.0/8',
    '10.1.2.3:8080',
    '10.0.0.0/8:8080',
    'fd00::/8',
    '[::1]',
    '[::1]:8080',
    '[fd00::]/8:8080',
    'a.b, 10.0.0.1'
  ]
  for (const value of good) t.equal(readConfig({ ...NEEDED, OUTSIDE_ALLOW: value }).OUTSIDE_ALLOW, value)
  t.strictSame(readAllowed('Intranet.Example:8080, 10.0.0.0/8,[FD00::]/8:81'), [
    { name: 'intranet.example', port: 8080 },
    { network: '10.0.0.0/8' },
    { network: 'fd00::/8', port: 81 }
  ])
  const bad = [
    '*',
    'a:0',
    'a:65536',
    'a:b',
    'http://a',
    'a/8',
    '10.0.0.0/33',
    'fd00::/129',
    '1.2.3',
    '10.0.0',
    '0x7f.1:80/8',
    'a,,b',
    ',',
    '-a',
    'a..b',
    '[a]',
    '[10.0.0.1',
    'a b',
    'a@b'
  ]
  for (const value of bad) t.equal(faultsOf({ ...NEEDED, OUTSIDE_ALLOW: value }).length, 1, `${value} is refused`)
})

t.test('TRUST_PROXY takes addresses, networks and names', async (t) => {
  for (const value of [
    '10.0.0.1',
    '10.0.0.0/8, loopback',
    '::1',
    'fd00::/8',
    'uniquelocal',
    'nginx',
    'proxy.intranet.example, 10.0.0.1'
  ]) {
    t.equal(readConfig({ ...NEEDED, TRUST_PROXY: value }).TRUST_PROXY, value)
  }
  for (const value of [
    '10.0.0.1/33',
    'fd00::/129',
    '10.0.0.0/8/9',
    '10.0.0',
    'true',
    '1',
    ',',
    'nginx:80',
    'a b',
    '-a',
    'a..b'
  ]) {
    t.equal(faultsOf({ ...NEEDED, TRUST_PROXY: value }).length, 1, `${value} is refused`)
  }
})

t.test('A7 A8 A9 a profile sets what is not set by itself', async (t) => {
  t.match(readConfig({ ...NEEDED, PROFILE: 'cluster' }), { WEB_CONCURRENCY: 4, PORT: 5000, KEEP_ALIVE_MS: 5_000 })
  t.match(readConfig({ ...NEEDED, PROFILE: 'tuned' }), { WEB_CONCURRENCY: 4, REQUEST_TIMEOUT_MS: 30_000 })
  t.match(readConfig({ ...NEEDED, PROFILE: 'single' }), { WEB_CONCURRENCY: 1, PORT: 8000 })
  t.match(readConfig(NEEDED), { WEB_CONCURRENCY: 1, PORT: 3000 }, 'none is asked for')
  t.match(readConfig({ ...NEEDED, PROFILE: 'cluster', PORT: '81', WEB_CONCURRENCY: '' }), {
    PORT: 81,
    WEB_CONCURRENCY: 4
  })
  t.match(faultsOf({ ...NEEDED, PROFILE: '../../.env' })[0], /^PROFILE must be one of/)
})

t.test('E2 a start with exactly the names of other set-ups works', async (t) => {
  const config = readConfig({
    SECRET_KEY: NEEDED.SECRET_KEY,
    POSTGRESQL_USER: 'user',
    POSTGRESQL_PASSWORD: 'p@ss/word',
    POSTGRESQL_HOST: 'db',
    POSTGRESQL_DATABASE: 'data',
    REDIS_HOST: 'cache',
    REDIS_PORT: '6380',
    REDIS_DB: '2',
    REDIS_PASSWORD: 'se:cret',
    ENVIRONMENT: 'development',
    MS_HOST: '0.0.0.0',
    MS_PORT: '5000'
  })
  t.equal(config.DATABASE_URL, `postgres://user:${encodeURIComponent('p@ss/word')}@db/data`)
  t.equal(config.REDIS_URL, 'redis://:se%3Acret@cache:6380/2')
  t.match(config, { NODE_ENV: 'development', HOST: '0.0.0.0', PORT: 5000 })
})

t.test('E2 the aliases have defaults, apply only when set, and the canonical name wins', async (t) => {
  const { SECRET_KEY } = NEEDED
  const short = readConfig({ SECRET_KEY, POSTGRESQL_HOST: 'db', POSTGRESQL_USER: '', REDIS_HOST: 'r', REDIS_PORT: '' })
  t.equal(short.DATABASE_URL, 'postgres://postgres:@db/postgres')
  t.equal(short.REDIS_URL, 'redis://r:6379/0')
  t.equal(short.HOST, '127.0.0.1')

  const both = readConfig({ ...NEEDED, PORT: '8080', MS_PORT: '5000', POSTGRESQL_HOST: 'other', REDIS_HOST: 'other' })
  t.match(both, { PORT: 8080, DATABASE_URL: NEEDED.DATABASE_URL, REDIS_URL: NEEDED.REDIS_URL })
})

t.test('E2 every alias stands for a setting that exists', async (t) => {
  for (const [alias, name] of Object.entries(ALIASES)) t.ok(name in Config.properties, `${alias} is ${name}`)
})

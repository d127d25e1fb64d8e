import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { ALIASES } from '#schema/aliases'
import { Config } from '#schema/config'

const ROOT = join(import.meta.dirname, '../../..')
const run = promisify(execFile)

const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
const files = stdout.split('\n').filter(Boolean)
const read = (name: string) => readFile(join(ROOT, name), 'utf8').catch(() => '')

// Read by our own programs and by make, but by neither service.
const LOCAL_SETTINGS = [
  'ENGINE',
  'DATA_DIR',
  'COMPOSE_PROJECT_NAME',
  'REGISTRY',
  'HTTP_PORT',
  'HTTPS_PORT',
  'DOMAIN',
  'ACME_EMAIL',
  'ACME_SERVER',
  'CERTBOT_IMAGE',
  'REQUESTS_PER_SECOND',
  'CONNECTIONS_PER_ADDRESS',
  'TASKS_SOURCE',
  'DATABASE_OWNER_PASSWORD',
  'DATABASE_PASSWORD'
]
// Of the system, of make's arguments, of the containers, or told nginx by whoever starts it: nobody sets them for an installation.
const NOT_SETTINGS =
  /^(PATH|HOME|TMPDIR|TZ|SHELL|CI|XDG_STATE_HOME|SQL|NAME|ROLE|SHUT|OPEN|SERVICE|FOLLOW|DOWN|POSTGRES_\w+|(NGINX|TLS)_DIR|NGINX_PROGRAM|GATEWAYS|GATEWAY_URL|HTTPS?_LISTEN|ACCESS_LOG|TASKS_REDIS|COMPOSE_FILE)$/

t.test('C8 .env.example has every setting that the code reads, and no other', async (t) => {
  const example = await read('.env.example')
  const names = [...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name)
  const settings = [...Object.keys(Config.properties), ...LOCAL_SETTINGS]
  t.strictSame(names.toSorted(), settings.toSorted())
  for (const alias of Object.keys(ALIASES)) t.match(example, alias)

  const known = new Set([...settings, ...Object.keys(ALIASES).flatMap((alias) => alias.split(', '))])
  const code = files.filter((name) => /^(schema|plugins|services|infra)\/.*\.(ts|sh)$|^docker-compose/.test(name))
  const typescript = [/\b(?:process\.env|environment)\??\.([A-Z][A-Z_]+)/g]
  const taken = /\{([^{}]*)\}(?:: Environment\b| = (?:process\.env|environment)\b)/g
  const shell = [/\$\{([A-Z][A-Z_]+)[:?}-]/g, /setting\.sh ([A-Z][A-Z_]+)/g]
  for (const name of code) {
    const text = (await read(name)).replaceAll(/^\s*#.*$/gm, '')
    const patterns = name.endsWith('.ts') ? typescript : shell
    const named = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, variable = '']) => variable))
    const apart = [...text.matchAll(taken)].flatMap(([, names = '']) => names.match(/\b[A-Z][A-Z_]+\b/g) ?? [])
    for (const variable of [...named, ...apart]) {
      t.ok(known.has(variable) || NOT_SETTINGS.test(variable), `${variable}, read in ${name}`)
    }
  }
})

t.test('D12 no secret and no address has a default', async (t) => {
  for (const name of ['SECRET_KEY', 'DATABASE_URL', 'DATABASE_OWNER_URL', 'REDIS_URL'] as const) {
    t.notOk('default' in Config.properties[name], name)
  }
})

// What a committed secret looks like. Variables are none.
const SECRETS: Record<string, RegExp> = {
  'private key': /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  'cloud key': /\b(AKIA|ASIA)[0-9A-Z]{16}\b/,
  'access token':
    /\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,}|npm_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[baprs]-[\w-]{10,})/,
  'signed token': /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/,
  // to a host that may exist: names without a dot and example.* do not
  'password in an address': /:\/\/[^\s:/@'"`$<]*:[^\s:/@'"`$<{.]+@(?![\w.-]*example\.)[\w-]+(\.[\w-]+)*\.[a-z]{2,}\b/,
  'long hexadecimal value of a setting': /(SECRET|PASSWORD|TOKEN|KEY)\w*["']?\s*[:=]\s*["']?[0-9a-f]{32,}/i
}

const findSecrets = (text: string) => Object.keys(SECRETS).filter((kind) => SECRETS[kind]?.test(text))

t.test('E3 no secret is committed', async (t) => {
  const checked = files.filter((name) => name !== 'package-lock.json')
  t.ok(checked.length > 50, 'the list of files is there')
  for (const name of checked) t.strictSame(findSecrets(await read(name)), [], name)
  t.notOk(files.includes('.env'), '.env is not under version control')
  t.match((await run('git', ['check-ignore', '.env', '.data/'], { cwd: ROOT })).stdout, /\.env\n\.data/)
})

t.test('E3 the scan finds a secret of each kind', async (t) => {
  const planted = [
    `-----BEGIN ${'RSA'} PRIVATE KEY-----`,
    `AKIA${'ABCDEFGHIJKLMNOP'}`,
    `ghp_${'a'.repeat(36)}`,
    `eyJ${'a'.repeat(12)}.eyJ${'b'.repeat(12)}.${'c'.repeat(12)}`,
    `postgres://bee:${'honey7'}@db.bee-hive.net/bee`,
    `SECRET_KEY=${'0f'.repeat(32)}`
  ]
  t.strictSame(
    planted.map(findSecrets),
    Object.keys(SECRETS).map((kind) => [kind])
  )
})

t.test('A18 make alone lists every target, each with what it does', async (t) => {
  const listed = (await run('make', ['--no-print-directory'], { cwd: ROOT })).stdout
  const targets = (await read('Makefile')).match(/^\.PHONY: (.*)$/m)?.[1]?.split(' ') ?? []
  for (const target of targets.filter((name) => name !== 'always')) {
    t.match(listed, new RegExp(`^  make ${target} +\\S`, 'm'), target)
  }
  for (const target of ['up', 'down', 'clean', 'logs', 'ps', 'sh', 'psql', 'prune'])
    t.ok(targets.includes(target), target)
  t.equal((await run('make', ['--no-print-directory', 'help'], { cwd: ROOT })).stdout, listed)
})

t.test('what CI runs can be executed', async (t) => {
  for (const name of ['.ci/run', ...files.filter((file) => /^infra\/(\w+\/)?\w+\.sh$/.test(file))]) {
    t.ok((await stat(join(ROOT, name))).mode & 0o100, name)
  }
})

t.test('B18 each of the rows B2 to B14 has a test that names it', async (t) => {
  const tests = await Promise.all(files.filter((name) => name.endsWith('.test.ts')).map(read))
  const titles = tests
    .flatMap((text) => [...text.matchAll(/\btest\(\s*['"`](.*)/g)].map(([, title]) => title))
    .join('\n')
  for (let row = 2; row <= 14; row++) t.match(titles, new RegExp(`\\bB${row}\\b`), `B${row}`)
})

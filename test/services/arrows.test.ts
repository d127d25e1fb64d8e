import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'

const run = promisify(execFile)
const BUILD = join(import.meta.dirname, '../..')
const ROOT = join(BUILD, '..')

const IMPORT = /^(?:import|export)\s[^'"=;]*?from\s*['"]([^'"]+)|^import\s*['"]([^'"]+)|\bimport\(\s*['"]([^'"]+)/gm

/** What a compiled module imports, as it is written. */
async function readImports(file: string): Promise<string[]> {
  const code = await readFile(file, 'utf8')
  return [...code.matchAll(IMPORT)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '')
}

function resolve(from: string, name: string): string | undefined {
  if (name.startsWith('.')) return join(dirname(from), name)
  if (name.startsWith('#schema/')) return join(BUILD, 'schema', `${name.slice('#schema/'.length)}.js`)
  if (name.startsWith('#plugins/')) return join(BUILD, 'plugins', name.slice('#plugins/'.length), 'index.js')
  return undefined
}

/** Every module of ours that a start of this one loads, by its path, with what each imports. */
async function loadGraph(entry: string, graph = new Map<string, string[]>()): Promise<Map<string, string[]>> {
  const path = relative(BUILD, entry)
  if (graph.has(path)) return graph
  const names = await readImports(entry)
  graph.set(path, names)
  for (const name of names) {
    const file = resolve(entry, name)
    if (file) await loadGraph(file, graph)
  }
  return graph
}

t.test('D9 D27 D13 nothing that the gateway imports is a handler, or of the consumer at all', async (t) => {
  const graph = await loadGraph(join(BUILD, 'services/gateway/server.js'))
  const modules = [...graph.keys()]
  t.ok(modules.length > 40, `${modules.length} modules were looked at`)
  t.ok(modules.includes('plugins/ledger/accept.js') && modules.includes('schema/compile.js'), 'the graph is followed')
  t.strictSame(
    modules.filter((path) => /^services\/consumer|handlers\/|^plugins\/worker/.test(path)),
    []
  )

  const heavy = new Set(['undici', 'cheerio', 'cheerio/slim', 'robots-parser'])
  t.strictSame(
    [...graph].filter(([, names]) => names.some((name) => heavy.has(name))),
    [],
    'and it loads no parser of pages'
  )

  const consumer = [...(await loadGraph(join(BUILD, 'services/consumer/server.js'))).keys()]
  t.strictSame(
    consumer.filter((path) => path.startsWith('services/gateway')),
    [],
    'nor the other way round'
  )
  const handlers = await readdir(join(BUILD, 'services/consumer/handlers'))
  t.ok(
    handlers.some((file) => file.endsWith('.js')),
    'the handlers are where the consumer looks for them'
  )
})

t.test('one folder knows Bee-Queue, and schema imports typebox and node alone', async (t) => {
  const graph = await loadGraph(join(BUILD, 'services/consumer/server.js'))
  await loadGraph(join(BUILD, 'services/gateway/server.js'), graph)
  for (const [path, names] of graph) {
    if (!path.startsWith('plugins/queue/')) t.notOk(names.includes('bee-queue'), path)
    if (path.startsWith('schema/'))
      t.ok(
        names.every((name) => /^(\.|typebox|node:)/.test(name)),
        path
      )
    if (path.startsWith('plugins/')) {
      const folder = path.split('/').slice(0, 2).join('/')
      const others = names.filter((name) => /^[.#]/.test(name) && !name.startsWith('#schema/'))
      const strangers = others.filter(
        (name) => !relative(BUILD, resolve(join(BUILD, path), name) ?? '').startsWith(`${folder}/`)
      )
      t.strictSame(strangers, [], `${path} imports only schema and its own folder`)
    }
  }
})

const FORBIDDEN: Record<string, string[]> = {
  'schema/job.ts': [
    'fastify',
    'pg',
    '#plugins/ledger',
    '../plugins/ledger/index.js',
    '../services/serve.js',
    '../infra/x.js'
  ],
  'schema/forms/contact.ts': ['fastify', '../../plugins/ledger/index.js', '../../services/serve.js'],
  'plugins/jobs/index.ts': [
    '#plugins/ledger',
    '../ledger/index.js',
    '../ledger/queries.js',
    '../../services/serve.js',
    '../../schema/job.js'
  ],
  'services/gateway/app.ts': [
    '../consumer/app.js',
    '../consumer/handlers/store-submission.js',
    '../../plugins/ledger/queries.js',
    '#plugins/ledger/queries'
  ],
  'services/consumer/app.ts': ['../gateway/app.js', '../../plugins/ledger/queries.js', '#plugins/ledger/queries']
}
const ALLOWED: Record<string, string[]> = {
  'schema/job.ts': ['typebox', 'typebox/value', 'node:net', './form.js'],
  'schema/forms/contact.ts': ['typebox', '../form.js'],
  'plugins/jobs/index.ts': ['fastify', 'pg', 'node:crypto', '#schema/job', './queries.js'],
  'services/gateway/app.ts': ['fastify', '#plugins/ledger', '#schema/config', '../serve.js'],
  'services/consumer/app.ts': ['fastify', '#plugins/ledger', '#schema/config', './handlers/store-submission.js']
}

/** Lints files that import one name each, and answers which files break an arrow. */
async function lint(t: Test, files: Map<string, string>): Promise<Set<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-arrows-'))
  t.teardown(() => rm(folder, { recursive: true }))
  for (const name of ['biome.json', '.gitignore']) await copyFile(join(ROOT, name), join(folder, name))
  for (const [path, name] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), `export * from '${name}'\n`)
  }
  const biome = join(ROOT, 'node_modules/.bin/biome')
  const args = ['lint', '--reporter=json', '--max-diagnostics=200', '--only=style/noRestrictedImports', '.']
  const { stdout } = await run(biome, args, { cwd: folder }).catch((failed) => failed)
  const { diagnostics } = JSON.parse(stdout)
  if (!Array.isArray(diagnostics)) throw new Error(`biome answered ${stdout}`)
  return new Set(diagnostics.map(({ location }) => location.path.file ?? location.path))
}

const spread = (cases: Record<string, string[]>) =>
  new Map(
    Object.entries(cases).flatMap(([path, names]) => names.map((name, i) => [path.replace('.ts', `-${i}.ts`), name]))
  )

t.test('D9 every arrow that points the wrong way is an error of the linter', async (t) => {
  const files = spread(FORBIDDEN)
  const refused = await lint(t, files)
  for (const [path, name] of files) t.ok(refused.has(path), `${path} must not import ${name}`)
})

t.test('and those that point the right way are none', async (t) => {
  const refused = await lint(t, spread(ALLOWED))
  t.strictSame([...refused], [])
})

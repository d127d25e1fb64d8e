import { execFile } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { findProgram } from '../../infra/local/programs.js'
import { seed } from '../../infra/postgres/seed.js'
import { createUser } from '../helpers/accounts.js'
import { eventually } from '../helpers/eventually.js'
import { KEY, startConsumer, startGateway } from '../helpers/processes.js'
import { startPostgres, startRedis } from '../helpers/services.js'
import { clientOf } from '../helpers/stack.js'
import { buildExampleProject } from './example-project.js'
import { findCodeBlocks, findFileLinks, findSection, ROOT, readReadme } from './readme.js'
import { readSection, settingsTable } from './settings-table.js'

const curl = await findProgram(['curl'])
const readme = await readReadme()
const blocks = findCodeBlocks(readme)
const files = Object.fromEntries(blocks.flatMap(({ marks, code }) => (marks.file ? [[marks.file, code]] : [])))
const commands = blocks.flatMap(({ language, code }) => (language === 'sh' && code.includes('curl') ? [code] : []))

t.test('the README is followed word for word', { skip: !curl && 'curl is missing' }, async (t) => {
  const form = 'schema/forms/guest-book.ts'
  const [line = ''] = readme.match(/job: 'sign-guest-book',/) ?? []
  t.ok(line, 'it names the line that ties the form to its job type')
  const [postgres, redis, folder] = await Promise.all([
    startPostgres(t),
    startRedis(t),
    buildExampleProject(t, { ...files, [form]: (files[form] ?? '').replace(/^( *title: .*)$/m, `$1\n  ${line}`) })
  ])
  await seed(postgres.ownerUrl)
  const settings = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, PUBLIC_TASKS: 'true' }
  const example = { build: join(folder, 'build') }
  const [gateway] = await Promise.all([startGateway(t, settings, example), startConsumer(t, settings, example)])
  const database = new pg.Client({ connectionString: postgres.ownerUrl })
  database.on('error', () => {})
  await database.connect()
  t.teardown(() => database.end())
  const count = async (sql: string, values: unknown[] = []) => Number((await database.query(sql, values)).rows[0].count)
  const countSubmissions = (where: string) => count(`select count(*) from submissions where ${where}`)
  await writeFile(join(folder, '.env'), `API_KEY=${KEY['x-api-key']}\n`)
  const [key = ''] = blocks.flatMap(({ code }) =>
    code.startsWith('key=') ? [code.replace('.env', join(folder, '.env'))] : []
  )
  const type = (code: string) => runShell(key + code.replaceAll('http://127.0.0.1:3000', gateway.url))
  const send = async (body: object) => {
    const answer = await fetch(`${gateway.url}/async/guest-book`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body)
    })
    return findId(await answer.text()) ?? ''
  }

  await t.test('each of its curl commands works as it stands', async (t) => {
    const [sync = '', async = '', follow = '', mistake = '', ...others] = commands
    const [wait = '', cancel = '', dead = '', balance = '', parse = '', list = '', task = '', ...accounts] = others
    const [open = '', logIn = '', renew = '', makeKey = '', submissions = '', guestBook = '', ...more] = accounts
    t.strictSame(more, [], 'no command without a test')

    const stored = await type(sync)
    t.match(stored, /^HTTP\/1.1 201 Created.*^location: \/sync\/contact\/.*"form":"contact"/ims)
    t.equal(await countSubmissions("mode = 'sync' and data ->> 'name' = 'Ada'"), 1)

    const queued = await type(async)
    t.match(queued, /^HTTP\/1.1 202 Accepted.*^location: \/async\/contact\/.*"status":"queued"/ims)
    const again = await type(async)
    t.match(again, /^idempotency-replayed: true/im)
    t.equal(findId(again), findId(queued))
    await eventually(async () => {
      if ((await countSubmissions("mode = 'async' and data ->> 'name' = 'Grace'")) !== 1) throw new Error('not stored')
    })

    t.match(JSON.parse(await type(follow)), { id: String, status: /queued|active|succeeded/ })
    const refused = await type(mistake)
    t.match(refused, /^HTTP\/1.1 422 .*content-type: application\/problem\+json/ims)
    for (const field of ['email', 'message', 'consent', 'age']) t.match(refused, new RegExp(`"pointer":"/${field}"`))

    t.match(await type(wait), /^HTTP\/1.1 200 OK.*^preference-applied: wait=10.*"submission_id":"/ims)
    t.match(await type(cancel), /^{"id":.*"status":"queued".*}HTTP\/1.1 204 No Content/is)
    t.match(
      await type(dead),
      /^{"items":\[\],"next":null}{"matching":0,"replayed":0,"refused":\[\],"refused_in_all":0,"next":null}$/
    )
    t.match(JSON.parse(await type(balance)), { balanced: true, states: { cancelled: 1 } })

    t.match(JSON.parse(await type(parse)), {
      title: 'Bees',
      links: [{ url: 'https://example.org/more', text: 'more' }]
    })

    t.match(await type(list), /^{"source":"postgres".*"id":1,.*}{"source":"redis-cache".*"id":1,.*}$/)
    const life = await type(task)
    t.match(
      life,
      /^HTTP\/1.1 200 OK.*^etag: "1".*"title":"Feed the bees","description":"Sugar, 2 kg","is_done":false/ims
    )
    t.match(
      life,
      /"is_done":true,"version":2.*"description":"Sugar, 3 kg","is_done":true,"version":3.*HTTP\/1.1 204 No Content/is
    )

    t.match(await type(open), /^HTTP\/1.1 200 OK.*HTTP\/1.1 401 Unauthorized.*^www-authenticate: Bearer/ims)
    await createUser({ ...clientOf(() => gateway.url), env: settings }, 'ada')
    t.match(JSON.parse(await type(logIn)), { token_type: 'Bearer', scope: 'read write account' })
    t.match(await type(renew), /^{"user":{[^}]*"username":"ada".*}{"access_token":/s)
    t.match(JSON.parse(await type(makeKey)), { name: 'laptop', scopes: ['read'], key: /^bee_/ })
    t.match(JSON.parse(await type(submissions)).items[0], { form: 'contact', mode: 'sync', data: { name: 'Ada' } })

    t.match(await type(guestBook), /^HTTP\/1.1 201 Created.*"form":"guest-book"/ims)
    t.equal(await countSubmissions("form = 'guest-book'"), 1)
  })

  await t.test('its form is a page, and its job type runs', async (t) => {
    const page = await (await fetch(`${gateway.url}/async/guest-book`, { headers: { accept: 'text/html' } })).text()
    t.match(page, 'Sign the guest book')
    t.match(page, 'The bees')
    const entry = { name: 'Ada', consent: true }
    const good = await send({ ...entry, entry: 'What a lovely garden!' })
    const spam = await send({ ...entry, entry: 'see https://example.org' })
    const ended = await eventually(async () => {
      const { rows } = await database.query('select id, type, state, result, error from jobs where id = any($1)', [
        [good, spam]
      ])
      if (!rows.every(({ state }) => ['dead', 'succeeded'].includes(state))) throw new Error('still open')
      return Object.fromEntries(rows.map(({ id, ...row }) => [id, row]))
    })
    t.match(ended[good], { type: 'sign-guest-book', state: 'succeeded', result: { words: 4 } })
    t.match(ended[spam], { state: 'dead', error: { detail: 'links are not welcome in the guest book' } })
    t.equal(await countSubmissions("form = 'guest-book' and mode = 'async'"), 1)
  })
})

t.test('E2 the README lists every setting with its default, and the other names for them', async (t) => {
  t.equal(readSection(readme), settingsTable(), 'run node build/test/docs/settings-table.js')
})

t.test('B21 the README shows the folders that are there, and no others', async (t) => {
  const shown = [...findSection(readme, 'Layout').matchAll(/^( *)([\w-]+)\/ /gm)]
  let parent = ''
  const listed = shown.map(([, indent, name = '']) => {
    if (!indent) parent = name
    return indent ? `${parent}/${name}` : name
  })
  const ignored = (await readFile(join(ROOT, '.gitignore'), 'utf8')).split('\n').map((line) => line.replace(/\/$/, ''))
  const tops = (await findFolders('.')).filter((name) => !ignored.includes(name))
  const inner = await Promise.all(['schema', 'services', 'infra'].map(findFolders))
  t.strictSame(listed.sort(), [...tops, ...inner.flat()].sort())
})

t.test('the README names every command of the Makefile, and no other', async (t) => {
  const makefile = await readFile(join(ROOT, 'Makefile'), 'utf8')
  const targets = [...makefile.matchAll(/^([a-z-]+):.*## /gm)].map(([, name]) => name)
  const named = [...findSection(readme, 'Commands').matchAll(/`make ([a-z-]+)`/g)].map(([, name]) => name)
  t.strictSame([...new Set(named)].sort(), targets.filter((name) => !UNNAMED.has(name ?? '')).sort())
  for (const [, name] of readme.matchAll(/`make ([a-z-]+)/g)) t.ok(targets.includes(name), `make ${name}`)
})

t.test('programs that are in node_modules alone are called by npx', async (t) => {
  const programs = new Set(await readdir(join(ROOT, 'node_modules/.bin')))
  const shell = blocks.flatMap(({ language, code }) => (language === 'sh' ? code.split('\n') : []))
  const called = [...shell, ...[...readme.matchAll(/`([^`\n]+ [^`\n]+)`/g)].map(([, code = '']) => code)]
  t.ok(called.some((line) => line.startsWith('npx ')))
  t.strictSame(
    called.filter((line) => programs.has(line.split(' ')[0] ?? '')),
    []
  )
})

t.test('the links of the README lead somewhere', async (t) => {
  for (const target of findFileLinks(readme)) {
    await t.resolves(stat(join(ROOT, target)), target)
  }
  const headings = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'))
  for (const [, anchor = ''] of readme.matchAll(/\]\(#([^)]+)/g)) t.ok(headings.includes(anchor), `#${anchor}`)
})

/** Of no interest to users: `make` alone shows them. */
const UNNAMED = new Set(['help', 'build', 'dev'])

async function findFolders(parent: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, parent), { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
  return folders.map(({ name }) => (parent === '.' ? name : `${parent}/${name}`))
}

async function runShell(code: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-ec', code])
  return stdout
}

function findId(answer: string): string | undefined {
  return answer.match(/"id":"([^"]+)"/)?.[1]
}

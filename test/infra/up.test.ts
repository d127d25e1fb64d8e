import assert from 'node:assert/strict'
import { appendFile, readFile, rm, stat } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { isProcess, sendTo } from '../../infra/local/process-list.js'
import { eventually } from '../helpers/eventually.js'
import { withoutNginx } from '../helpers/nginx.js'
import { copyProject, type Project } from '../helpers/project.js'

t.setTimeout(400_000)

const BODY = { name: 'Ada', email: 'ada@example.org', message: 'hello', consent: true }

const submit = (url: string, mode: 'sync' | 'async') =>
  fetch(`${url}/${mode}/contact`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(BODY)
  })

async function query(project: Project, sql: string): Promise<unknown[]> {
  const { environment } = await project.runFile()
  const client = new pg.Client({ connectionString: environment.DATABASE_URL })
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

async function pidsOf(project: Project): Promise<number[]> {
  const { pid, services } = await project.runFile()
  return [pid, ...Object.values(services).map((service) => service.pid)]
}

async function findAlive(pids: number[]): Promise<number[]> {
  const alive = await Promise.all(pids.map((pid) => isProcess(pid, /./)))
  return pids.filter((_, index) => alive[index])
}

t.test('B16 one command starts everything, and the commands of A18 work on what runs', async (t) => {
  const project = await copyProject(t)
  const up = await project.make('up')
  t.equal(up.code, 0, up.output)
  t.match(up.output, project.url)

  t.test('B2 it is healthy, A14 with secrets that only the owner can read', async (t) => {
    t.strictSame(await (await fetch(`${project.url}/api/health`)).json(), { status: 'ok' })
    t.equal((await fetch(`${project.url}/readyz`)).status, 200)
    const { mode } = await stat(join(project.dir, '.env'))
    t.equal(mode & 0o777, 0o600)
    t.match(await readFile(join(project.dir, '.env'), 'utf8'), /^SECRET_KEY=\w{64}$/m)
  })

  t.test('a submission arrives by both ways', async (t) => {
    t.equal((await submit(project.url, 'sync')).status, 201)
    t.equal((await submit(project.url, 'async')).status, 202)
    await eventually(async () => {
      const rows = await query(project, "select mode from submissions where data ->> 'name' = 'Ada' order by mode")
      assert.deepEqual(rows, [{ mode: 'async' }, { mode: 'sync' }])
    })
    t.pass('both are rows')
  })

  t.test('A13 A10 nginx stands in front, and its address is printed', { skip: withoutNginx }, async (t) => {
    t.match(up.output, project.nginx.url)
    const page = await fetch(`${project.nginx.url}/sync/`, { headers: { accept: 'text/html' } })
    t.equal(page.status, 200)
    t.equal(page.headers.get('x-nginx-cache'), 'BYPASS')
    t.match((await project.make('ps')).output, /nginx .* ready/)
    t.match((await project.make('logs', { SERVICE: 'nginx-access' })).output, /"path":"\/sync\/"/)
    const { TRUST_PROXY } = (await project.runFile()).environment
    t.equal(TRUST_PROXY, undefined, 'commands do not need it')
    const forged = await fetch(`${project.nginx.url}/sync/`, { headers: { 'x-forwarded-for': '198.51.100.9' } })
    t.equal(forged.status, 200)
    t.notMatch((await project.make('logs', { SERVICE: 'gateway' })).output, '198.51.100.9')
  })

  t.test('C10 make tls makes a certificate that nginx takes while it runs', { skip: withoutNginx }, async (t) => {
    const tls = await project.make('tls')
    t.match(tls, { code: 0, output: /made a self-signed certificate/ })
    const { output } = await project.make('up')
    t.match(output, /already running/)
    t.match(output, `nginx    ${project.nginx.httpsUrl}\n`, 'the place to go is printed')
    t.notMatch(output, project.nginx.url)
    const ask = (url: string) =>
      new Promise<number | undefined>((resolve, reject) =>
        get(url, { rejectUnauthorized: false }, (answer) => resolve(answer.resume().statusCode)).on('error', reject)
      )
    await eventually(async () => assert.equal(await ask(`${project.nginx.httpsUrl}/api/health`), 200))
    // the processes of before go on for a moment
    await eventually(async () => {
      const led = await fetch(`${project.nginx.url}/sync/`, { redirect: 'manual' })
      assert.equal(led.headers.get('location'), `${project.nginx.httpsUrl}/sync/`)
    })
    t.match((await project.make('ps')).output, new RegExp(`nginx .* ${project.nginx.httpsUrl} +ready`))
  })

  t.test('a second make up says that it runs', async (t) => {
    const pids = await pidsOf(project)
    const again = await project.make('up')
    t.equal(again.code, 0)
    t.match(again.output, /already running/)
    t.strictSame(await pidsOf(project), pids)
  })

  for (const [target, variables, shows] of [
    ['help', {}, /make up/],
    ['ps', {}, /gateway .* ready/],
    ['logs', {}, /Server listening at/],
    ['logs', { SERVICE: 'postgres' }, /ready to accept connections/],
    ['sh', {}, /^$/],
    ['psql', { SQL: 'select 6 * 7 as answer' }, /42/],
    ['migrate', {}, /up to date/],
    ['seed', {}, /sample data are there/],
    ['dead', {}, /no dead jobs/],
    ['user', { NAME: 'ada' }, new RegExp(`${project.url}/password#`)],
    ['prune', {}, /left behind|deleted/],
    ['deps', {}, /already running/]
  ] as const) {
    t.test(`A18 make ${target} ${JSON.stringify(variables)} exits 0 on a running stack`, async (t) => {
      const { code, output } = await project.make(target, variables)
      t.equal(code, 0, output)
      t.match(output, shows)
    })
  }

  t.test('a command with its settings ends with who started it', async (t) => {
    const script = 'setInterval(() => {}, 1000); console.log(process.pid)'
    const run = project.start(process.execPath, ['build/infra/local/run.js', process.execPath, '-e', script])
    const child = await eventually(() => {
      const pid = Number(run.lines.join(''))
      assert.ok(pid)
      return pid
    })
    t.teardown(() => sendTo(child, 'SIGKILL'))
    run.kill('SIGTERM')
    await eventually(async () => assert.deepEqual(await findAlive([child]), []))
    t.pass('it left nothing behind')
  })

  t.test('a killed child comes back by itself', async (t) => {
    const { services } = await project.runFile()
    for (const { pid } of Object.values(services)) process.kill(pid, 'SIGKILL')
    await eventually(
      async () => {
        const now = await project.runFile()
        for (const [name, { pid }] of Object.entries(services)) assert.notEqual(now.services[name]?.pid, pid)
        assert.equal((await fetch(`${project.url}/readyz`)).status, 200)
      },
      { timeout: 20_000 }
    )
    t.equal((await submit(project.url, 'async')).status, 202)
  })

  t.test('a new build or another setting starts it anew', async (t) => {
    const [supervisor] = await pidsOf(project)
    await appendFile(join(project.dir, '.env'), 'APP_NAME=Hive\n')
    const up = await project.make('up')
    t.match(up.output, /older build or other settings/)
    t.not((await pidsOf(project))[0], supervisor)
    t.match(await (await fetch(`${project.url}/openapi.json`)).json(), { info: { title: 'Hive' } })
  })

  t.test('make down leaves no process', async (t) => {
    const pids = await pidsOf(project)
    t.equal((await project.make('down')).code, 0)
    t.strictSame(await findAlive(pids), [])
    t.match((await project.make('down')).output, /nothing is running/)
    t.match(await project.make('psql'), { code: 2, output: /nothing is running: start it with make up/ })
  })

  t.test('the data are there after the next make up, also when .env was lost and has new passwords', async (t) => {
    await rm(join(project.dir, '.env'))
    const up = await project.make('up')
    t.equal(up.code, 0, up.output)
    t.match(up.output, /passwords in .env have changed/)
    const rows = await query(project, "select distinct mode from submissions where data ->> 'name' = 'Ada' order by 1")
    t.strictSame(rows, [{ mode: 'async' }, { mode: 'sync' }])
  })

  t.test('a killed supervisor takes its children with it', async (t) => {
    const pids = await pidsOf(project)
    process.kill(pids[0] ?? 0, 'SIGKILL')
    await eventually(async () => assert.deepEqual(await findAlive(pids), []), { timeout: 30_000 })
    t.equal((await project.make('up')).code, 0)
  })

  t.test('make clean deletes the data', async (t) => {
    t.equal((await project.make('clean')).code, 0)
    await t.rejects(stat(join(project.dir, '.data')))
  })
})

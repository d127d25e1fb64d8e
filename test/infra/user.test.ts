import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { makeUser } from '../../infra/postgres/user.js'
import { startPostgres } from '../helpers/services.js'
import { connect } from '../helpers/stack.js'

const INFRA = join(import.meta.dirname, '../../infra')
const MAKE_USER = join(INFRA, 'postgres/user.js')
const node = (args: string[], env: Record<string, string>) => promisify(execFile)(process.execPath, args, { env })

const postgres = await startPostgres(t)
const sql = connect(t, postgres.ownerUrl)

t.test('an account is made once, without a password; asked again it gets another link', async (t) => {
  const made = await makeUser(postgres.url, { name: 'Ada', role: 'operator' })
  t.match(made, { username: 'ada', role: 'operator', created: true, token: /^[\w-]{43}$/ })
  const again = await makeUser(postgres.url, { name: 'ADA' })
  t.match(again, { username: 'ada', role: 'operator', created: false })
  t.not(again.token, made.token)
  const [row] = await sql('select username, password_hash, role from users')
  t.strictSame(row, { username: 'ada', password_hash: null, role: 'operator' })
  const links = await sql('select hash from password_links')
  t.equal(links.length, 2)
  t.notMatch(JSON.stringify(links), made.token)
  t.match(await makeUser(postgres.url, { name: 'ada', role: 'user' }), { role: 'user' }, 'a role can be taken back')
})

t.test('a name or role that cannot be is refused', async (t) => {
  for (const name of ['', 'a', 'a b', '-ada', 'a'.repeat(101), 'ada\n']) {
    await t.rejects(makeUser(postgres.url, { name }), { message: /^NAME must be/ }, JSON.stringify(name))
  }
  await t.rejects(makeUser(postgres.url, { name: 'ada', role: 'root' }), { message: /^ROLE must be/ })
})

t.test('make user prints the link, at the address of the installation', async (t) => {
  const run = (env: object) => node([MAKE_USER], { DATABASE_URL: postgres.url, ...env })
  const { stdout } = await run({ NAME: 'grace', PUBLIC_URL: 'https://beeline.example' })
  t.match(stdout, /^new account: grace \(user\)\n.*\n {2}https:\/\/beeline\.example\/password#[\w-]{43}\n$/s)
  await t.rejects(run({ NAME: '' }), { code: 1, stderr: /make user NAME=ada/ })
})

t.test("with a Postgres of one's own, and nothing that runs here, the link leads to PORT", async (t) => {
  const env = { DATABASE_URL: postgres.url, DATA_DIR: t.testdir(), PORT: '4321', NAME: 'grace' }
  const { stdout } = await node([join(INFRA, 'local/run.js'), process.execPath, MAKE_USER], env)
  t.match(stdout, / {2}http:\/\/127\.0\.0\.1:4321\/password#/)
})

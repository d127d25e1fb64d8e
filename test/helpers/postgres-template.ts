import { createHash } from 'node:crypto'
import { chmod, chown, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { findFreePort } from '../../infra/local/ports.js'
import { findPostgres, initPostgres, OWNER, type PostgresPrograms, startPostgres } from '../../infra/local/postgres.js'
import { migrate } from '../../infra/postgres/migrate.js'

export const DATABASE = 'beeline'
export const APP_ROLE = 'beeline_app'
export const PASSWORD = 'only-for-tests'

const SQL = join(import.meta.dirname, '../../../infra/postgres')
const say = (line: string) => void process.stderr.write(`${line}\n`)

export const findPrograms = () => findPostgres(say)

/** A folder that the server's user may enter. */
export async function makeTemporaryFolder(user: PostgresPrograms['user']): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-test-'))
  if (user) await chown(folder, user.uid, user.gid)
  await chmod(folder, 0o755)
  return folder
}

export function urlOf(role: string, port: number): string {
  return `postgres://${role}:${PASSWORD}@127.0.0.1:${port}/${DATABASE}`
}

/** A stopped, migrated cluster to copy from: made once for each state of infra/postgres, by whoever needs it first. */
export async function findTemplate(programs: PostgresPrograms): Promise<string> {
  const template = join(tmpdir(), `beeline-template-${await fingerprint(programs)}`)
  if (await stat(template).catch(() => undefined)) return template
  const folder = await makeTemporaryFolder(programs.user)
  const dir = join(folder, 'data')
  await initPostgres(programs, dir, PASSWORD)
  const port = await findFreePort()
  const server = await startPostgres(programs, dir, { port })
  const owner = new URL(urlOf(OWNER, port))
  owner.pathname = '/postgres'
  const client = new pg.Client({ connectionString: owner.href })
  await client.connect()
  await client.query(`create database ${DATABASE}`)
  await client.end()
  await migrate({ ownerUrl: urlOf(OWNER, port), appUrl: urlOf(APP_ROLE, port) })
  await server.stop()
  await rename(dir, template).catch(() => {}) // another test file was quicker
  await rm(folder, { recursive: true, force: true })
  return template
}

async function fingerprint({ version, user }: PostgresPrograms): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([version, user, process.getuid?.(), PASSWORD]))
  const migrations = await readdir(join(SQL, 'migrations'))
  const files = [...migrations.sort().map((name) => join('migrations', name)), 'grants.sql']
  for (const file of files) hash.update(await readFile(join(SQL, file)))
  return hash.digest('hex').slice(0, 16)
}

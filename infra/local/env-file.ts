import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { parseEnv } from 'node:util'

export type Environment = Record<string, string | undefined>

/** The secrets of an installation, made once and kept in `.env`. */
const SECRETS = {
  SECRET_KEY: 'secret of this installation',
  DATABASE_OWNER_PASSWORD: 'password of the role that migrates, in the Postgres that `make up` starts',
  DATABASE_PASSWORD: 'password of the role that serves, in the Postgres that `make up` starts'
}

/** Settings of `.env`; none when there is no such file. Empty values count as absent. */
export async function readEnvFile(path: string): Promise<Environment> {
  const values = parseEnv(await readText(path))
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''))
}

/** Adds the secrets that neither the environment nor the file has. Answers their names. The file is for its owner only. */
export async function completeEnvFile(path: string, environment: Environment): Promise<string[]> {
  const present = await readEnvFile(path)
  const missing = Object.entries(SECRETS).filter(([name]) => !present[name] && !environment[name])
  if (missing.length === 0) return []
  const old = await readText(path)
  const kept = missing.reduce((text, [name]) => text.replace(new RegExp(`^${name}=\\s*$\\n?`, 'gm'), ''), old)
  const head = kept || '# Settings of this installation; .env.example lists all. Not for version control.\n'
  const lines = missing.map(([name, purpose]) => `# ${purpose}\n${name}=${randomBytes(32).toString('hex')}\n`)
  await writeFile(path, `${head.replace(/\n?$/, '\n')}${lines.join('')}`, { mode: 0o600 })
  await chmod(path, 0o600)
  return missing.map(([name]) => name)
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
}

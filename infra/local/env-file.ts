import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { parseEnv, promisify } from 'node:util'

export type Environment = Record<string, string | undefined>

/** Settings of `.env`; none when there is no such file. Empty values count as absent. */
export async function readEnvFile(path: string): Promise<Environment> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return Object.fromEntries(Object.entries(parseEnv(text)).filter(([, value]) => value !== ''))
}

/** Adds to the project's `.env` the secrets that neither it nor the environment has. Answers what it did, in lines. */
export async function makeSecrets(script: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('sh', [script])
  return stdout.split('\n').filter(Boolean)
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import type { Environment } from './processes.js'

export const PROFILES = ['single', 'cluster', 'tuned'] as const

/** The settings of a server profile, as they stand in infra/profiles. */
export async function readProfile(name: (typeof PROFILES)[number]): Promise<Environment> {
  return parseEnv(await readFile(join(import.meta.dirname, '../../../infra/profiles', `${name}.env`), 'utf8'))
}

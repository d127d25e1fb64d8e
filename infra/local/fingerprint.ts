import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type LocalSettings, onlySettings, ROOT } from './settings.js'

const SOURCES = [
  'build/schema',
  'build/plugins',
  'build/services',
  'build/infra',
  'plugins',
  'infra/postgres',
  'infra/nginx',
  'infra/profiles'
]

/**
 * Changes with the build, the files beside it (pages, migrations, profiles) and the settings.
 * @param root the project's folder
 */
export async function fingerprintOf({ environment }: Pick<LocalSettings, 'environment'>, root = ROOT): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(Object.entries(onlySettings(environment)).sort()))
  for (const source of SOURCES) {
    const folder = join(root, source)
    const names = await readdir(folder, { recursive: true }).catch(() => [])
    for (const name of names.sort()) {
      const { mtimeMs, size } = await stat(join(folder, name))
      hash.update(`${source}/${name} ${mtimeMs} ${size}\n`)
    }
  }
  return hash.digest('hex')
}

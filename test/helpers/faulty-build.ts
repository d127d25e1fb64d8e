import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './services.js'

const ROOT = join(import.meta.dirname, '../../..')
const PARTS = ['build/schema', 'build/plugins', 'build/services', 'plugins/pages', 'package.json']

/**
 * A copy of the compiled project in which files are replaced, added, or (undefined) taken away: for faults that somebody could
 * build in. Answers its build folder.
 */
export async function buildWith(t: Scope, files: Record<string, string | undefined>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-build-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await Promise.all(PARTS.map((part) => cp(join(ROOT, part), join(folder, part), { recursive: true })))
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const build = join(folder, 'build')
  for (const [path, content] of Object.entries(files)) {
    if (content === undefined) await rm(join(build, path))
    else await writeFile(join(build, path), content)
  }
  return build
}

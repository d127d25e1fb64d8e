/** A copy of the compiled project with the test definitions in place, and with single texts replaced where a test wants a mutant. */
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Scope } from './services.js'

export interface Replacement {
  /** File below build/. */
  file: string
  /** Text that must be there exactly once. */
  from: string
  to: string
}

const PROJECT = join(import.meta.dirname, '../../..')
const FIXTURES = 'test/fixtures'
/** Where each kind of fixture is looked for by the services. */
const PLACES = { forms: 'schema/forms', jobs: 'schema/jobs', handlers: 'services/consumer/handlers' }

/**
 * Copies build/ to a folder that goes with the test; answers the folder that holds `services/`.
 * @throws Error when a text to replace is not there, or not once: the mutant no longer fits the code.
 */
export async function copyBuild(t: Scope, replacements: Replacement[] = []): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-build-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const build = join(folder, 'build')
  const tests = join(PROJECT, 'build/test')
  const isWanted = (path: string) =>
    !path.endsWith('.map') && (!path.startsWith(tests + sep) || path.startsWith(join(PROJECT, 'build', FIXTURES)))
  await cp(join(PROJECT, 'build'), build, { recursive: true, filter: isWanted })
  for (const name of ['node_modules', 'plugins', 'schema', 'infra'])
    await symlink(join(PROJECT, name), join(folder, name))
  await cp(join(PROJECT, 'package.json'), join(folder, 'package.json'))

  for (const [kind, place] of Object.entries(PLACES)) {
    for (const file of await readdir(join(build, FIXTURES, kind))) {
      const source = pathToFileURL(join(build, FIXTURES, kind, file)).href
      await writeFile(join(build, place, basename(file)), `export { default } from ${JSON.stringify(source)}\n`)
    }
  }
  for (const { file, from, to } of replacements) {
    const path = join(build, file)
    const parts = (await readFile(path, 'utf8')).split(from)
    if (parts.length !== 2) throw new Error(`mutant: build/${file} has ${parts.length - 1} times, not once: ${from}`)
    await writeFile(path, parts.join(to))
  }
  return build
}

/** A copy of the project with files added, compiled: what somebody has who followed the README. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Scope } from '../helpers/services.js'
import { UNWRAP } from '../helpers/unwrap.js'
import { ROOT } from './readme.js'

const run = promisify(execFile)
const SOURCES = ['schema', 'plugins', 'services', 'package.json', 'tsconfig.json']

/** Answers its folder. @throws Error with the compiler's words */
export async function buildExampleProject(t: Scope, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-readme-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await Promise.all(SOURCES.map((name) => cp(join(ROOT, name), join(folder, name), { recursive: true })))
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  await compile(folder)
  return folder
}

async function compile(folder: string): Promise<void> {
  const { bin } = JSON.parse(await readFile(join(ROOT, 'node_modules/typescript/package.json'), 'utf8'))
  const compiler = join(ROOT, 'node_modules/typescript', bin.tsc)
  await run('env', [...UNWRAP, process.execPath, compiler, '-p', folder]).catch(({ stdout, stderr }) => {
    throw new Error(`the examples do not compile:\n${stdout}${stderr}`)
  })
}

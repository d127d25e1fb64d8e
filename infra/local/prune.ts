/** Deletes what old runs left behind: grown logs put aside, half-made clusters, test folders of a day ago. */
import { readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { command } from '../postgres/command.js'
import { readRunFile } from './run-file.js'
import { readSettings } from './settings.js'

const DAY_MS = 86_400_000

await command('prune', async (say) => {
  const { dataDir } = await readSettings()
  const starting = (await readRunFile(dataDir)) !== undefined
  const leftovers = [
    ...(await list(join(dataDir, 'log'), /\.log\.1$/, 0)),
    ...(starting ? [] : await list(dataDir, /^postgres\.(new|password)$|\.json\.new$/, 0)),
    ...(await list(tmpdir(), /^beeline-(test|template|project|build|readme|kill|chaos)-/, DAY_MS))
  ]
  for (const path of leftovers) {
    await rm(path, { recursive: true, force: true })
    say(`deleted ${path}`)
  }
  if (leftovers.length === 0) say('nothing was left behind')
})

/** Entries of a folder whose name matches, of this user and older than an age in ms. */
async function list(folder: string, name: RegExp, age: number): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((entry) => name.test(entry))
  const found = await Promise.all(
    names.map(async (entry) => {
      const { uid, mtimeMs } = await stat(join(folder, entry))
      const isOurs = uid === process.getuid?.() || process.getuid?.() === 0
      return isOurs && Date.now() - mtimeMs >= age ? [join(folder, entry)] : []
    })
  )
  return found.flat()
}

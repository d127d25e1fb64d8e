/** Stops what runs and deletes its data: `node build/infra/local/clean.js`. `.env` with its secrets stays. */
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from '../postgres/command.js'
import { stopRun } from './down.js'
import { endOrphans } from './lifeline.js'
import { findServerUser } from './postgres-binaries.js'
import { readRunFile } from './run-file.js'
import { serversFolder } from './servers.js'
import { readSettings } from './settings.js'

// Only what we put there: DATA_DIR may be a folder with other things in it.
const OURS =
  /^(postgres(\.new|\.password)?|redis|nginx|tls|log|run\.json(\.new)?|(dev\.)?pids|passwords\.sha256|[\w-]+\.port)$/

await command('clean', async (say) => {
  const { dataDir } = await readSettings()
  const run = await readRunFile(dataDir)
  if (run) await stopRun(dataDir, run)
  else await endOrphans(dataDir)
  const elsewhere = await serversFolder(dataDir, await findServerUser())
  const inside = elsewhere === dataDir
  if (!inside) await rm(elsewhere, { recursive: true, force: true })
  const names = await readdir(dataDir).catch(() => [])
  const ours = names.filter((name) => OURS.test(name))
  await Promise.all(ours.map((name) => rm(join(dataDir, name), { recursive: true, force: true })))
  await rmdir(dataDir).catch(() => {}) // not empty, or not there
  say(ours.length > 0 ? `deleted the data in ${dataDir}${inside ? '' : ` and ${elsewhere}`}` : 'nothing to delete')
})

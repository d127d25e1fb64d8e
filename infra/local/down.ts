/** Stops what `make up` started and waits for its end: `node build/infra/local/down.js`. */
import { command } from '../postgres/command.js'
import { endOrphans } from './lifeline.js'
import { endProcesses } from './process-list.js'
import { type RunFile, readRunFile, removeRunFile, SUPERVISOR } from './run-file.js'
import { readSettings } from './settings.js'

/** Ends the supervisor, which stops its children in order; kills it only when that takes longer than it may. */
export async function stopRun(dataDir: string, { pid, stopMs }: RunFile): Promise<void> {
  await endProcesses({ pids: [pid], command: SUPERVISOR, signals: ['SIGTERM', 'SIGKILL'], grace: stopMs })
  await endOrphans(dataDir)
  await removeRunFile(dataDir)
}

if (process.argv[1] === import.meta.filename) {
  await command('down', async (say) => {
    const { dataDir } = await readSettings()
    const run = await readRunFile(dataDir)
    if (run) await stopRun(dataDir, run)
    else await endOrphans(dataDir)
    say(run ? `stopped; the data stay in ${dataDir}` : 'nothing is running')
  })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { stopRun } from '../../infra/local/down.js'
import { readRunFile } from '../../infra/local/run-file.js'
import { STOP_MS } from '../../infra/local/server-process.js'
import { serviceStopMs } from '../../infra/local/services.js'
import { readSettings } from '../../infra/local/settings.js'
import { runStopMs } from '../../infra/local/stack.js'
import { stopTimes } from '../../services/stop-times.js'

t.test('who waits for the end of another waits longer than that one takes, whatever the grace time', async (t) => {
  for (const given of ['0', '10000', '600000']) {
    const { graceMs } = await readSettings({ SHUTDOWN_GRACE_MS: given })
    t.equal(graceMs, Number(given))
    const { hush, process, worker, service } = stopTimes(graceMs)
    const chain = [graceMs, process, hush + process, worker, service, serviceStopMs(graceMs)]
    t.strictSame(
      chain,
      [...new Set(chain)].sort((a, b) => a - b),
      `${given} ms: each is longer than the one before`
    )
    const inTurn = serviceStopMs(graceMs) + serviceStopMs(graceMs) + STOP_MS + STOP_MS
    t.ok(runStopMs(graceMs) > inTurn, `${given} ms: the supervisor may wait for gateway, consumer, Redis and Postgres`)
  }
})

/** Stands for a supervisor: it takes two seconds to stop. */
const SLOW =
  "process.on('SIGTERM', () => setTimeout(() => process.exit(7), 2_000)); setInterval(() => {}, 1_000); console.log()"

for (const [stopMs, end] of [
  [60_000, [7, null]],
  [100, [null, 'SIGKILL']]
] as const) {
  t.test(`a supervisor that notes ${stopMs} ms for its stop gets them`, async (t) => {
    const dataDir = t.testdir()
    const script = join(dataDir, 'infra/local/start.js')
    await mkdir(join(dataDir, 'infra/local'), { recursive: true })
    await writeFile(script, SLOW)
    const supervisor = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => supervisor.kill('SIGKILL'))
    await once(supervisor.stdout, 'data')
    await writeFile(join(dataDir, 'run.json'), JSON.stringify({ pid: supervisor.pid, stopMs }))
    const ended = once(supervisor, 'exit')
    const run = await readRunFile(dataDir)
    if (run) await stopRun(dataDir, run)
    t.strictSame(await ended, end)
    t.equal(await readRunFile(dataDir), undefined)
  })
}

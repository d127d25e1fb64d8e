/** A gateway of several processes. */
import assert from 'node:assert/strict'
import type { Test } from 'tap'
import { isProcess } from '../../infra/local/process-list.js'
import { eventually } from './eventually.js'
import { type Environment, type Process, startGateway } from './processes.js'
import { readProfile } from './profiles.js'

/** A gateway of the profile cluster, on a free port. */
export async function startCluster(t: Test, env: Environment): Promise<Process> {
  const { PORT: _, ...cluster } = await readProfile('cluster')
  return startGateway(t, { ...cluster, ...env })
}

/** Those that listen now, as their log lines tell. */
export async function workersOf({ lines }: Process): Promise<number[]> {
  const listening = lines
    .filter((line) => line.includes('Server listening'))
    .map((line) => Number(JSON.parse(line).pid))
  const alive = await Promise.all(listening.map((pid) => isProcess(pid, /server\.js/)))
  return listening.filter((_, i) => alive[i])
}

/** Waits for four that listen, none of them one of `besides`. */
export const fourWorkers = (gateway: Process, besides: number[] = []): Promise<number[]> =>
  eventually(
    async () => {
      const workers = await workersOf(gateway)
      assert.equal(workers.filter((pid) => !besides.includes(pid)).length, 4)
      assert.equal(workers.length, 4)
      return workers
    },
    { timeout: 30_000 }
  )

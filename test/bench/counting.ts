/** Rows and open jobs against answers. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../helpers/eventually.js'
import { CONNECTIONS } from './load.js'
import type { Stage } from './stage.js'

/** For what has no time of its own, in ms. */
const PATIENCE = 120_000

export function untilRows(stage: Stage, rows: number, pause: number): Promise<void> {
  const enough = async () => assert.ok((await stage.countRows()) >= rows, `fewer than ${rows} rows`)
  return eventually(enough, { timeout: PATIENCE, pause })
}

export function untilIdle(stage: Stage): Promise<void> {
  return eventually(async () => assert.equal(await stage.countOpen(), 0, 'open jobs'), { timeout: PATIENCE })
}

/** Waits until a number stays the same for half a second: requests that the end of a load cut off may still commit. */
export async function untilStill(read: () => Promise<number>): Promise<number> {
  for (let last = await read(); ; ) {
    await sleep(500)
    const now = await read()
    if (now === last) return now
    last = now
  }
}

/** Every answer has its row or job; only requests that the end of the load cut off may have one without an answer. */
export function compare(answered: number, found: number): void {
  if (found >= answered && found <= answered + CONNECTIONS) return
  const what = found < answered ? 'some were lost' : 'some were stored twice'
  throw new Error(`${answered} successful answers, but ${found} rows and open jobs: ${what}`)
}

import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs an assertion again and again until it holds, and answers its value. It fails with the assertion's last error. The time, in
 * ms, is for machines that are busy: no test says by it how fast something is.
 * @example await eventually(async () => assert.equal((await findJob(id)).state, 'succeeded'))
 */
export async function eventually<Value>(
  assertion: () => Value | Promise<Value>,
  { timeout = 30_000, pause = 50 }: { timeout?: number; pause?: number } = {}
): Promise<Value> {
  const until = Date.now() + timeout
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (Date.now() > until) throw error
      await sleep(pause)
    }
  }
}

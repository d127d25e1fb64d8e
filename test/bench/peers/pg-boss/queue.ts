/** The queue of both pg-boss processes. Workers poll: waking them by NOTIFY makes `send` half as fast. */
import { PgBoss } from 'pg-boss'

export const QUEUE = 'submissions'

export async function startBoss(): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 10 })
  boss.on('error', (error) => process.stderr.write(`${error.message}\n`))
  await boss.start()
  await boss.createQueue(QUEUE)
  return boss
}

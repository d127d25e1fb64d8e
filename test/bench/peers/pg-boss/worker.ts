/** pg-boss's worker: batches of a hundred, taken without a pause while they come back full, one insert a job. */
import { Pool } from 'pg'
import { QUEUE, startBoss } from './queue.js'

interface Submission {
  form: string
  data: unknown
}

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const boss = await startBoss()

await boss.work<Submission>(
  QUEUE,
  { batchSize: 100, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
  async (jobs) => {
    await Promise.all(
      jobs.map(({ data: { form, data } }) =>
        pool.query(`insert into submissions (form, mode, data) values ($1, 'async', $2)`, [form, data])
      )
    )
  }
)

process.once('SIGTERM', async () => {
  await boss.stop()
  await pool.end()
})

process.stdout.write('ready\n')

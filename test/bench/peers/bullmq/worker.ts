/** BullMQ's worker: fifty jobs at a time, one insert a job. */
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { Pool } from 'pg'

interface Submission {
  form: string
  data: unknown
}

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const connection = new Redis(process.env.REDIS_URL ?? '', { maxRetriesPerRequest: null })
const worker = new Worker<Submission>(
  'submissions',
  async ({ data: { form, data } }) => {
    await pool.query(`insert into submissions (form, mode, data) values ($1, 'async', $2)`, [form, data])
  },
  { connection, concurrency: 50 }
)

process.once('SIGTERM', async () => {
  await worker.close()
  await connection.quit()
  await pool.end()
})

await worker.waitUntilReady()
process.stdout.write('ready\n')

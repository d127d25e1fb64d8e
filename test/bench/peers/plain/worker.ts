/** The plain way's worker: `process`, one insert a job. */
import Queue from 'bee-queue'
import { Pool } from 'pg'

interface Submission {
  form: string
  data: unknown
}

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const queue = new Queue<Submission>('submissions', {
  redis: { url: process.env.REDIS_URL },
  getEvents: false,
  storeJobs: false,
  removeOnSuccess: true
})

queue.process(50, async ({ data: { form, data } }) => {
  await pool.query(`insert into submissions (form, mode, data) values ($1, 'async', $2)`, [form, data])
})

process.once('SIGTERM', async () => {
  await queue.close(10_000)
  await pool.end()
})

await queue.ready()
process.stdout.write('ready\n')

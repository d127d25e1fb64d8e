/** Lists the jobs that gave up, newest first: `node build/infra/postgres/dead.js [how many]`. */
import { command } from './command.js'
import { connect } from './connect.js'
import { readDatabaseUrls } from './urls.js'

interface DeadJob {
  id: string
  type: string
  attempts: number
  finishedAt: Date
  code: string | null
  detail: string | null
}

/** @param limit at most so many */
export async function findDeadJobs(url: string, limit: number): Promise<{ total: number; jobs: DeadJob[] }> {
  const client = await connect(url)
  try {
    const count = await client.query<{ total: number }>("select count(*)::int as total from jobs where state = 'dead'")
    const jobs = await client.query<DeadJob>(
      `select id, type, attempts, finished_at as "finishedAt", error ->> 'code' as code, error ->> 'detail' as detail
       from jobs where state = 'dead' order by finished_at desc limit $1`,
      [limit]
    )
    return { total: count.rows[0]?.total ?? 0, jobs: jobs.rows }
  } finally {
    await client.end()
  }
}

if (process.argv[1] === import.meta.filename) {
  await command('dead', async (say) => {
    const limit = Number(process.argv[2] ?? 50)
    if (!Number.isInteger(limit) || limit < 1) throw new Error('how many must be a whole number from 1')
    const { total, jobs } = await findDeadJobs(readDatabaseUrls(process.env).appUrl, limit)
    if (total === 0) return say('no dead jobs')
    for (const { id, type, attempts, finishedAt, code, detail } of jobs) {
      say([finishedAt.toISOString(), id, type, `attempts=${attempts}`, code, detail].filter(Boolean).join('  '))
    }
    say(`${jobs.length} of ${total} dead jobs`)
  })
}

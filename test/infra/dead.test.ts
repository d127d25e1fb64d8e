import t from 'tap'
import { findDeadJobs } from '../../infra/postgres/dead.js'
import { migrate } from '../../infra/postgres/migrate.js'
import { databasesOf, query } from '../helpers/databases.js'
import { startPostgres } from '../helpers/services.js'

const makeDatabase = databasesOf(await startPostgres(t))

t.test('dead jobs can be read, newest first', async (t) => {
  const { url, ownerUrl } = await makeDatabase('dead_jobs')
  await migrate({ ownerUrl, appUrl: url })
  t.strictSame(await findDeadJobs(url, 10), { total: 0, jobs: [] })
  await query(
    url,
    `insert into jobs (id, type, queue, payload, schema_version, state, attempts, max_attempts, timeout_ms, submitter, error, finished_at)
     select ('019a0000-0000-7000-8000-00000000000' || n)::uuid, 'store-submission', 'submissions', '{}', 1,
       'dead', n, 5, 1000, 'anon', jsonb_build_object('code', 'FAILED', 'detail', 'reason ' || n), now() + n * interval '1 s'
     from generate_series(1, 3) n`
  )
  const { total, jobs } = await findDeadJobs(url, 2)
  t.equal(total, 3)
  t.match(jobs, [{ attempts: 3, code: 'FAILED', detail: 'reason 3' }, { attempts: 2 }])
})

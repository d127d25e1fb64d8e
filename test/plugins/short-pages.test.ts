/** Lists with a filter look through 10,000 rows for a page, so that none takes long: what fits behind them is on the next page. */
import t from 'tap'
import { KEY } from '../helpers/processes.js'
import { startStack } from '../helpers/stack.js'

const SEEN = 10_000
const stack = await startStack(t, { PUBLIC_TASKS: 'true' })

interface Page {
  items: unknown[]
  next: string | number | null
}

const uuid = `(lpad(to_hex(1735689600000 + n), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid`

/** Each makes one row that fits the query, and after it this many that do not. */
const lists: Record<string, (others: number) => Promise<unknown>> = {
  '/api/tasks?title=needle': (others) =>
    stack.sql(
      `insert into tasks (insert_id, title)
       select gen_random_uuid(), case n when 0 then 'needle' else 'hay' end from generate_series(0, $1::int) as n order by n`,
      [others]
    ),
  '/api/submissions?form=feedback': (others) =>
    stack.sql(
      `insert into submissions (id, form, mode, data)
       select ${uuid}, case n when 0 then 'feedback' else 'contact' end, 'sync', '{}' from generate_series(0, $1::int) as n`,
      [others]
    ),
  '/api/jobs?type=parse-page': (others) =>
    stack.sql(
      `insert into jobs (id, type, queue, payload, schema_version, state, attempts, max_attempts, timeout_ms, submitter,
                         result, started_at, finished_at)
       select ${uuid}, case n when 0 then 'parse-page' else 'store-submission' end, 'pages', '{}', 1, 'succeeded', 1, 5, 30000,
              'ip:test', '{}', now(), now() from generate_series(0, $1::int) as n`,
      [others]
    )
}

for (const [path, fill] of Object.entries(lists)) {
  t.test(path, async (t) => {
    const read = async (before?: Page['next']): Promise<Page> => {
      const answer = await stack.get(before === undefined ? path : `${path}&before=${before}`, KEY)
      t.equal(answer.status, 200)
      return JSON.parse(await answer.text())
    }
    await fill(SEEN)
    const first = await read()
    t.strictSame(first.items, [], 'nothing on the first page')
    t.ok(first.next, 'and yet it is not the last')
    const second = await read(first.next)
    t.equal(second.items.length, 1)
    t.equal(second.next, null)
  })
}

import assert from 'node:assert/strict'
import t from 'tap'
import { uuidv7 } from 'uuidv7'
import { compile } from '#schema/compile'
import parsePage from '#schema/jobs/parse-page'
import { eventually } from '../helpers/eventually.js'
import { startCanary, startSite } from '../helpers/outside-app.js'
import { startConsumer } from '../helpers/processes.js'
import { startServers } from '../helpers/stack.js'

const site = await startSite(t, ({ url = '' }, response) => {
  if (url === '/robots.txt') return void response.end('User-agent: *\nDisallow: /private')
  if (url === '/inside') return void response.writeHead(302, { location: `http://127.0.0.1:${canary.port}/` }).end()
  if (url === '/late' && site.requests.filter((request) => request.url === url).length < 3)
    return void response.writeHead(500).end()
  response.setHeader('content-type', 'text/html').end(`<title>Bees</title><h1>B</h1><a href="/more">more</a>`)
})
const canary = await startCanary(t)
const { sql, env } = await startServers(t)
const consumer = await startConsumer(t, { ...env, OUTSIDE_ALLOW: `127.0.0.1:${site.port}` })
const check = compile(parsePage.result)

interface Row {
  state: string
  attempts: number
  result: Record<string, unknown> | null
  error: { code: string; detail: string } | null
}

/** A job in the ledger, as an accepted request leaves it. */
async function accept(payload: object): Promise<string> {
  const id = uuidv7()
  await sql(
    `insert into jobs (id, type, queue, payload, schema_version, max_attempts, timeout_ms, submitter)
     values ($1, 'parse-page', 'parser', $2, 1, 5, 30000, 'anon')`,
    [id, payload]
  )
  return id
}

const finished = (id: string) =>
  eventually(
    async () => {
      const [row] = await sql<Row>('select state, attempts, result, error from jobs where id = $1', [id])
      assert.match(row?.state ?? '', /succeeded|dead/)
      return row
    },
    { timeout: 30_000 }
  )
const findPage = async (id: string) => (await sql('select * from pages where id = $1', [id]))[0]

t.test(
  'C2 C4 D23 a document becomes a result and a row, linked to its job; the log says parser.parse-page',
  async (t) => {
    const document = '<html lang="en"><title>T</title><h2>H</h2><p>text<a href="x">y</a>'
    const id = await accept({ document, base_url: 'https://example.org/' })
    const job = await finished(id)
    t.match(job, { state: 'succeeded', attempts: 1 })
    t.equal(check(job?.result).errors, undefined)
    const { id: _, created_at, fetched_at, ...row } = (await findPage(id)) ?? {}
    const { fetched_at: time, ...result } = job?.result ?? {}
    t.strictSame(row, result, 'the row says what the result says')
    t.ok(created_at instanceof Date && fetched_at instanceof Date && fetched_at.toISOString() === time)

    await eventually(() => {
      const lines = consumer.lines.filter((line) => line.includes(`"jobId":"${id}"`)).join('\n')
      assert.match(lines, /"job":"parser.parse-page".*a page was parsed/)
      assert.doesNotMatch(lines, /example\.org/, 'no payload')
    })
  }
)

t.test('C3 C4 a page is fetched, parsed and stored', async (t) => {
  const id = await accept({ url: `${site.url}/x` })
  t.match(await finished(id), { state: 'succeeded', result: { title: 'Bees', status: 200 } })
  t.match(await findPage(id), {
    url: `${site.url}/x`,
    title: 'Bees',
    headings: [{ level: 1, text: 'B' }],
    links: [{ url: `${site.url}/more`, text: 'more' }]
  })
})

t.test('E10 what cannot succeed gives up at once with its code, leaves no row, and calls nobody', async (t) => {
  const hopeless = {
    ADDRESS_FORBIDDEN: [
      `${site.url}/inside`,
      `http://127.0.0.1:${canary.port}/`,
      `http://[::1]:${canary.port}/`,
      'http://169.254.169.254/'
    ],
    ROBOTS_DISALLOWED: [`${site.url}/private/x`]
  }
  for (const [code, urls] of Object.entries(hopeless)) {
    for (const url of urls) {
      const id = await accept({ url })
      const job = await finished(id)
      t.match(job, { state: 'dead', attempts: 1, result: null, error: { code } }, url)
      t.notMatch(job?.error?.detail, /127|169|::1/, 'no address is told')
      t.equal(await findPage(id), undefined)
    }
  }
  t.equal(canary.connections(), 0)
})

t.test('E10 what may pass is tried again', async (t) => {
  const id = await accept({ url: `${site.url}/late` })
  t.match(await finished(id), { state: 'succeeded', attempts: 3, error: null })
  const attempts = await sql(`select outcome, error->>'code' as code from job_attempts where job_id = $1`, [id])
  t.strictSame(attempts, Array(2).fill({ outcome: 'failed', code: 'UPSTREAM_FAILED' }))
})

t.test('a payload with text that Postgres cannot keep never gets here; text that it can, stays as it is', async (t) => {
  const id = await accept({ document: '<title>&#0;&#xd800;\u{1f41d} "\\ </title>' })
  t.match(await finished(id), { state: 'succeeded', result: { title: '\ufffd\ufffd\u{1f41d} "\\' } })
  t.match(await findPage(id), { title: '\ufffd\ufffd\u{1f41d} "\\' })
})

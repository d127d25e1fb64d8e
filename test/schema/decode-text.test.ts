import t from 'tap'
import Type from 'typebox'
import { decodeText } from '#schema/decode-text'
import { accepted, choices, flag, integer, number, optional, text } from '#schema/form'

const label = { title: 'Field' }
const Form = Type.Object({
  name: text(label),
  note: optional(text(label)),
  age: optional(integer({ ...label, minimum: 0, maximum: 9 })),
  size: optional(number({ ...label, minimum: 0, maximum: 9 })),
  news: optional(flag(label)),
  consent: accepted(label),
  tags: choices({ ...label, options: { a: 'A', b: 'B' } })
})

const decode = (fields: Record<string, unknown>) => decodeText(Form, fields)

t.test('an empty optional field is absent, an empty required one stays', async (t) => {
  t.strictSame(decode({ name: '', note: '', age: '', news: '' }), { name: '' })
})

t.test('a box that is ticked is true', async (t) => {
  for (const yes of ['on', 'true', '1', 'yes']) t.strictSame(decode({ news: yes }), { news: true })
  for (const no of ['off', 'false', '0', 'no']) t.strictSame(decode({ news: no }), { news: false })
  t.strictSame(decode({ consent: 'on' }), { consent: true })
  t.strictSame(decode({ news: 'perhaps' }), { news: 'perhaps' })
})

t.test('one value of a list is a list', async (t) => {
  t.strictSame(decode({ tags: 'a' }), { tags: ['a'] })
  t.strictSame(decode({ tags: ['a', 'b'] }), { tags: ['a', 'b'] })
  t.strictSame(decode({ tags: '' }), { tags: [] })
})

t.test('digits are a number where the schema wants one, and only plain digits', async (t) => {
  t.strictSame(decode({ age: '7', size: '-1.5', name: '7' }), { age: 7, size: -1.5, name: '7' })
  t.strictSame(decode({ age: ' 7 ' }), { age: 7 })
  for (const odd of ['1e400', '0x10', 'NaN', 'Infinity', '١', '1_000', '1,5', '9'.repeat(20), '.', '--1', '1.']) {
    t.strictSame(decode({ age: odd }), { age: odd }, `${odd} is left for the check to refuse`)
  }
})

t.test('line ends of a browser become those of everybody else', async (t) => {
  t.strictSame(decode({ name: 'a\r\nb\nc\r' }), { name: 'a\nb\nc\r' })
})

t.test('a field that comes twice stays a list, for the check to refuse', async (t) => {
  t.strictSame(decode({ name: ['a', 'b'] }), { name: ['a', 'b'] })
})

t.test('names of the prototype are fields like others', async (t) => {
  const given = JSON.parse('{"__proto__": "x", "constructor": "y", "toString": "z"}')
  const decoded = Object(decode(given))
  t.strictSame(Object.keys(decoded), ['__proto__', 'constructor', 'toString'])
  t.equal(Object.getPrototypeOf(decoded), Object.prototype)
})

t.test('what is no object of fields stays as it is', async (t) => {
  for (const value of [null, undefined, 'text', 7]) t.equal(decodeText(Form, value), value)
  t.equal(decodeText(Type.String(), 'text'), 'text')
})

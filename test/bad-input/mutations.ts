/** Submissions that fit their forms, and ways to spoil them; all from one seed. */
import fc from 'fast-check'

export interface Case {
  form: string
  type: 'application/json' | 'application/x-www-form-urlencoded'
  body: string
}

type Fields = Record<string, unknown>

const text = (maxLength: number) =>
  fc.string({ minLength: 1, maxLength, unit: 'grapheme' }).filter((value) => [...value].length <= maxLength)
const day = fc
  .date({ min: new Date('1900-01-01'), max: new Date('2999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const address = fc.constantFrom('ada@example.org', 'a.b+c@x.example', "o'neil@example.com", 'a@[127.0.0.1]')

const FORMS: Record<string, fc.Arbitrary<Fields>> = {
  contact: fc.record(
    {
      name: text(100),
      email: address,
      message: text(200),
      consent: fc.constant(true),
      age: fc.integer({ min: 0, max: 150 })
    },
    { requiredKeys: ['name', 'email', 'message', 'consent'] }
  ),
  'damage-report': fc.record(
    {
      place: text(200),
      kind: fc.constantFrom('light', 'road', 'tree', 'water'),
      urgency: fc.constantFrom('low', 'high', 'danger'),
      seen_on: day,
      description: text(200),
      size: fc.double({ min: 0, max: 1000, noNaN: true }),
      email: address
    },
    { requiredKeys: ['place', 'kind', 'urgency', 'seen_on', 'description'] }
  ),
  'event-registration': fc.record(
    {
      name: text(100),
      email: address,
      day,
      session: fc.constantFrom('morning', 'afternoon', 'evening'),
      interests: fc.uniqueArray(fc.constantFrom('workshop', 'archive', 'roof', 'kitchen'), { minLength: 1 }),
      guests: fc.integer({ min: 0, max: 9 }),
      newsletter: fc.boolean()
    },
    { requiredKeys: ['name', 'email', 'day', 'session', 'interests'] }
  )
}

const NAMES = [
  'name',
  'email',
  'message',
  'consent',
  'age',
  'place',
  'kind',
  'seen_on',
  'size',
  'day',
  'interests',
  'guests'
]
const ODD_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'id',
  'owner_id',
  '',
  ' name',
  'a\0',
  '\ud800',
  'website',
  'idempotency_key'
]

const edgeText = fc.constantFrom(
  '',
  ' ',
  'a\0b',
  '\ud800',
  'a'.repeat(100),
  'a'.repeat(101),
  '😀'.repeat(101),
  'a'.repeat(10_001),
  '\r\n'
)
const edgeNumber = fc.constantFrom(-1, -0, 151, 1.5, 2 ** 53, 1e300, -1e300, 5e-324, 1001, 10)
const odd = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 2, arbitrary: edgeText },
  { weight: 2, arbitrary: edgeNumber },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom([], {}, null, [null], [[]], { $ne: 1 }) }
)

/** Changes one thing in a submission. */
const spoil: fc.Arbitrary<(fields: Fields) => Fields> = fc.oneof(
  fc.record({ name: fc.constantFrom(...NAMES), value: odd }).map(({ name, value }) => (fields: Fields) => ({
    ...fields,
    [name]: value
  })),
  fc.record({ name: fc.oneof(fc.constantFrom(...ODD_NAMES), fc.string({ unit: 'binary' })), value: odd }).map(
    ({ name, value }) =>
      (fields: Fields) =>
        Object.fromEntries([...Object.entries(fields), [name, value]])
  ),
  fc
    .nat({ max: 6 })
    .map((i) => (fields: Fields) => Object.fromEntries(Object.entries(fields).filter((_, at) => at !== i)))
)

/** Damages a written body at one place: cut, doubled, or a character put in. */
const damage = fc
  .record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    how: fc.constantFrom('cut', 'double', ',', '"', '\\', '}', '%', '&', '=', '\u0000', '\ufffd')
  })
  .map(({ at, how }) => (body: string) => {
    const place = Math.floor(at * body.length)
    if (how === 'cut') return body.slice(0, place)
    if (how === 'double') return body.slice(0, place) + body
    return body.slice(0, place) + how + body.slice(place)
  })

const untouched = fc.constant<((body: string) => string)[]>([])

const encodeForm = (fields: Fields) =>
  new URLSearchParams(
    Object.entries(fields).flatMap(([name, value]) =>
      [value]
        .flat()
        .map((item): [string, string] => [
          name,
          item === true ? 'on' : typeof item === 'string' ? item : JSON.stringify(item)
        ])
    )
  ).toString()

/** A submission of one of the forms: about one in four fits, the others are spoiled up to three times. */
export const submission: fc.Arbitrary<Case> = fc
  .constantFrom(...Object.keys(FORMS))
  .chain((form) =>
    fc.record({
      form: fc.constant(form),
      type: fc.constantFrom('application/json' as const, 'application/x-www-form-urlencoded' as const),
      fields: FORMS[form] ?? fc.constant({}),
      spoils: fc.array(spoil, { maxLength: 3 }),
      damages: fc.oneof(
        { weight: 5, arbitrary: untouched },
        { weight: 1, arbitrary: fc.array(damage, { maxLength: 2 }) }
      )
    })
  )
  .map(({ form, type, fields, spoils, damages }) => {
    const spoiled = spoils.reduce((before, change) => change(before), fields)
    const written = type === 'application/json' ? JSON.stringify(spoiled) : encodeForm(spoiled)
    return { form, type, body: damages.reduce((before, change) => change(before), written) }
  })

/** What is wrong with a value, said for people. */
import type { TSchema } from 'typebox'
import { NOT_BLANK } from './not-blank.js'
import type { Fault } from './problem.js'

/** As TypeBox reports it. */
interface RawError {
  keyword: string
  schemaPath: string
  instancePath: string
  params: Record<string, unknown>
  message: string
}

/** Longest pointer told: names of unknown fields may have any length. */
export const MOST_POINTER = 1_000

/** What the validator found, in words: at most one fault a place, the first. */
export function describe(errors: RawError[], schema: TSchema, value: unknown): Fault[] {
  const shapes = shapesOf(schema)
  if (shapes) return describeShape(errors, shapes, value)
  const faults = errors.flatMap((error) => toFaults(error, schema, value))
  const places = new Map(
    faults.reverse().map(({ pointer, detail }) => [pointer, { pointer: pointer.slice(0, MOST_POINTER), detail }])
  )
  return [...places.values()].reverse()
}

/** What is wrong, such as `is required` or a problem's detail, as it stands alone in a page: before its full stop. */
export const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

interface Shape extends TSchema {
  properties: Record<string, unknown>
  required?: string[]
}

/** The objects of which a value may be any one. */
function shapesOf({ anyOf }: { anyOf?: unknown }): Shape[] | undefined {
  return Array.isArray(anyOf) && anyOf.length && anyOf.every((one) => 'properties' in one) ? anyOf : undefined
}

/** Only about the shape that the value seems to be meant for: the one with most of its fields. */
function describeShape(errors: RawError[], shapes: Shape[], value: unknown): Fault[] {
  const fields = Object.keys(Object(value))
  const known = shapes.map(({ properties }) => fields.filter((name) => Object.hasOwn(properties, name)).length)
  const best = known.indexOf(Math.max(...known))
  const shape = shapes[best]
  if (!shape) return []
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (isObject && !known[best]) {
    const needed = shapes.map(({ required = [] }) => required.join(' and '))
    return [{ pointer: '', detail: `must have ${needed.join(', or ')}` }]
  }
  const path = `#/anyOf/${best}`
  const own = errors.filter(({ schemaPath }) => schemaPath === path || schemaPath.startsWith(`${path}/`))
  return describe(own, shape, value)
}

function toFaults({ keyword, instancePath, params, message }: RawError, schema: TSchema, value: unknown): Fault[] {
  const inside = (names: unknown, detail: string) =>
    (names as string[]).map((name) => ({ pointer: `${instancePath}/${escapePointer(name)}`, detail }))
  switch (keyword) {
    case 'required':
      return inside(params.requiredProperties, 'is required')
    case 'additionalProperties':
      return inside(params.additionalProperties, 'is not a known field')
    case 'boolean':
      return []
    default: {
      const [part, found] = [schemaAt(schema, instancePath), valueAt(value, instancePath)]
      return [{ pointer: instancePath, detail: say(keyword, params, part, found) ?? message }]
    }
  }
}

/** A sentence's end about one value; undefined for a keyword that no schema here uses. */
function say(keyword: string, params: Record<string, unknown>, schema: unknown, value: unknown): string | undefined {
  const { limit } = params
  if (value === '' && ['minLength', 'format', 'pattern'].includes(keyword)) return 'is required'
  if (keyword === 'pattern' && params.pattern === NOT_BLANK.pattern) return 'must not be blank'
  switch (keyword) {
    case 'anyOf':
    case 'enum':
    case 'const':
      return wrongChoice(schema, value)
    case 'type':
      return isChoice(schema) ? wrongChoice(schema, value) : `must be ${article(String(params.type))}`
    case 'minLength':
      return `must have at least ${limit} characters`
    case 'maxLength':
      return `must have at most ${limit} characters`
    case 'minItems':
      return `must have at least ${limit} ${limit === 1 ? 'entry' : 'entries'}`
    case 'maxItems':
      return `must have at most ${limit} entries`
    case 'uniqueItems':
      return 'must not name the same value twice'
    case 'minimum':
      return `must be at least ${limit}`
    case 'maximum':
      return `must be at most ${limit}`
    case 'format':
    case 'pattern':
      return wrongForm(schema)
  }
}

/** A schema may say itself what its values look like, as `form`. */
function wrongForm(schema: unknown): string {
  const { form, format = '' } = (schema ?? {}) as { form?: string; format?: string }
  return form ? `must be ${form}` : (FORMATS[format] ?? 'has a form that is not accepted')
}

const FORMATS: Record<string, string> = {
  email: 'must be an e-mail address such as name@example.org',
  date: 'must be a date such as 2026-12-31',
  uuid: 'must be a UUID',
  uri: 'must be an address such as https://example.org/'
}

interface Choice {
  const?: unknown
}

const isChoice = (schema: unknown) => ['anyOf', 'enum', 'const'].some((word) => Object.hasOwn(Object(schema), word))

function wrongChoice(schema: unknown, value: unknown): string {
  const { anyOf, enum: names, const: only } = (schema ?? {}) as { anyOf?: Choice[]; enum?: unknown[]; const?: unknown }
  if (only === true) return 'must be accepted'
  const choices = anyOf?.map((choice) => choice.const) ?? names ?? (only === undefined ? [] : [only])
  if (value === '') return 'is required'
  return choices.length ? `must be one of: ${choices.join(', ')}` : 'is not an accepted value'
}

function article(type: string): string {
  return (
    { integer: 'a whole number', array: 'a list', object: 'an object', boolean: 'true or false' }[type] ?? `a ${type}`
  )
}

const stepsOf = (pointer: string) => pointer.split('/').slice(1)

/** The part of a schema that is about the place in a value to which a JSON pointer leads. */
function schemaAt(schema: TSchema, pointer: string): unknown {
  return stepsOf(pointer).reduce<unknown>((node, name) => {
    const { properties, items } = (node ?? {}) as { properties?: Record<string, unknown>; items?: unknown }
    return properties?.[name] ?? items
  }, schema)
}

function valueAt(value: unknown, pointer: string): unknown {
  return stepsOf(pointer).reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], value)
}

/** RFC 6901 §3. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The one validator: the gateway's validator compiler and the consumer's payload check both call it. */
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { decodeText } from './decode-text.js'
import type { Fault } from './problem.js'

Settings.Set({ maxErrors: 100 })

export type Checked<T> = { value: T; errors?: undefined } | { value?: undefined; errors: Fault[] }

export interface CompileOptions {
  /**
   * Where the value comes from. 'json' (default) is never coerced; 'text' (form bodies, paths, queries, environment)
   * is decoded by the schema first and receives its defaults; 'headers' are texts that HTTP has checked already.
   */
  from?: 'json' | 'text' | 'headers'
}

/** A check of values against the schema, answering the value or what is wrong with it, at most one fault a place. */
export function compile<T extends TSchema>(
  schema: T,
  { from = 'json' }: CompileOptions = {}
): (value: unknown) => Checked<Static<T>> {
  const validator = Compile(schema)
  return (given) => {
    const value = from === 'text' ? Value.Default(schema, decodeText(schema, given)) : given
    if (!validator.Check(value)) return { errors: describe(validator.Errors(value), schema, value) }
    const unstorable = from === 'headers' ? undefined : findUnstorable(value)
    return unstorable ? { errors: [unstorable] } : { value }
  }
}

interface RawError {
  keyword: string
  instancePath: string
  params: Record<string, unknown>
  message: string
}

function describe(errors: RawError[], schema: TSchema, value: unknown): Fault[] {
  const faults = errors.flatMap((error) => toFaults(error, schema, value))
  const places = new Map(faults.reverse().map((fault) => [fault.pointer, fault]))
  return [...places.values()].reverse()
}

function toFaults({ keyword, instancePath, params, message }: RawError, schema: TSchema, value: unknown): Fault[] {
  const inside = (names: unknown, detail: string) =>
    (names as string[]).map((name) => ({ pointer: `${instancePath}/${escapePointer(name)}`, detail }))
  const { limit } = params
  if ((keyword === 'minLength' || keyword === 'format') && at(value, instancePath) === '') {
    return [{ pointer: instancePath, detail: 'is required' }]
  }
  switch (keyword) {
    case 'required':
      return inside(params.requiredProperties, 'is required')
    case 'additionalProperties':
      return inside(params.additionalProperties, 'is not a known field')
    case 'boolean':
      return []
    case 'anyOf':
    case 'enum':
    case 'const':
      return [{ pointer: instancePath, detail: wrongChoice(at(schema, instancePath), at(value, instancePath)) }]
    case 'type':
      return [{ pointer: instancePath, detail: `must be ${article(String(params.type))}` }]
    case 'minLength':
      return [{ pointer: instancePath, detail: `must have at least ${limit} characters` }]
    case 'maxLength':
      return [{ pointer: instancePath, detail: `must have at most ${limit} characters` }]
    case 'minItems':
      return [{ pointer: instancePath, detail: `must have at least ${limit} ${limit === 1 ? 'entry' : 'entries'}` }]
    case 'maxItems':
      return [{ pointer: instancePath, detail: `must have at most ${limit} entries` }]
    case 'uniqueItems':
      return [{ pointer: instancePath, detail: 'must not name the same value twice' }]
    case 'minimum':
      return [{ pointer: instancePath, detail: `must be at least ${limit}` }]
    case 'maximum':
      return [{ pointer: instancePath, detail: `must be at most ${limit}` }]
    case 'format':
      return [{ pointer: instancePath, detail: FORMATS[String(params.format)] ?? `must be a valid ${params.format}` }]
    case 'pattern':
      return [{ pointer: instancePath, detail: 'has a form that is not accepted' }]
    default:
      return [{ pointer: instancePath, detail: message }]
  }
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

/** The schema, or the value, that a JSON pointer into a value leads to. */
function at(root: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((node, name) => {
      const { properties, items } = (node ?? {}) as { properties?: Record<string, unknown>; items?: unknown }
      return properties?.[name] ?? items ?? (node as Record<string, unknown> | undefined)?.[name]
    }, root)
}

/** Postgres keeps neither NUL nor half a surrogate pair: refuse them rather than fail or change what was typed. */
function findUnstorable(value: unknown): Fault | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return { pointer: '', detail: 'must not contain the character NUL' }
    return value.isWellFormed() ? undefined : { pointer: '', detail: 'must not contain half of a surrogate pair' }
  }
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, child] of Object.entries(value)) {
    const fault = findUnstorable(child) ?? findUnstorable(name)
    if (fault) return { ...fault, pointer: `/${escapePointer(name)}${fault.pointer}` }
  }
  return undefined
}

/** RFC 6901 §3. */
function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

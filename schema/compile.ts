/** The one validator: the gateway's validator compiler and the consumer's payload check both call it. */
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import Format from 'typebox/format'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { decodeText } from './decode-text.js'
import { describe, escapePointer, MOST_POINTER } from './fault-text.js'
import type { Fault } from './problem.js'

Settings.Set({ maxErrors: 100 })

// a moment that JavaScript and Postgres can keep: no leap second, no year 0 or 10000
Format.Set('date-time', (text) => {
  if (!Format.IsDateTime(text)) return false
  const year = new Date(text).getUTCFullYear() // NaN is neither
  return year >= 1 && year <= 9_999
})

export type Checked<T> = { value: T; errors?: undefined } | { value?: undefined; errors: Fault[] }

export interface CompileOptions {
  /**
   * Where the value comes from. 'json' (default) is never coerced; 'text' (form bodies, paths, queries, environment)
   * is decoded by the schema first and receives its defaults; 'headers' are texts that HTTP has checked already.
   * 'list' is JSON whose entries are checked one by one afterwards: each by itself is storable or not.
   */
  from?: 'json' | 'text' | 'headers' | 'list'
}

/** A check of values against the schema, answering the value or what is wrong with it, at most one fault a place. */
export function compile<T extends TSchema>(
  schema: T,
  { from = 'json' }: CompileOptions = {}
): (value: unknown) => Checked<Static<T>> {
  const validator = Compile(schema)
  const decode = from === 'text' ? createDecode(schema) : (given: unknown) => given
  return (given) => {
    const value = decode(given)
    if (!validator.Check(value)) return { errors: describe(validator.Errors(value), schema, value) }
    const unstorable = from === 'headers' || from === 'list' ? undefined : findUnstorable(value)
    if (!unstorable) return { value }
    return { errors: [{ ...unstorable, pointer: unstorable.pointer.slice(0, MOST_POINTER) }] }
  }
}

/** Texts are flat, and so are their defaults: they are worked out once. */
function createDecode(schema: TSchema): (given: unknown) => unknown {
  const defaults = Object(Value.Default(schema, {}))
  return (given) => {
    const decoded = decodeText(schema, given)
    return typeof decoded === 'object' && decoded !== null ? { ...defaults, ...decoded } : decoded
  }
}

/** Levels of a value of any shape: far more, and neither a function that calls itself nor Postgres gets to its end. */
const MOST_LEVELS = 1_000

/** Postgres keeps neither NUL nor half a surrogate pair: refuse them rather than fail or change what was typed. */
function findUnstorable(value: unknown, level = 0): Fault | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return { pointer: '', detail: 'must not contain the character NUL' }
    return value.isWellFormed() ? undefined : { pointer: '', detail: 'must not contain half of a surrogate pair' }
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (level === MOST_LEVELS) return { pointer: '', detail: `must not be nested more than ${MOST_LEVELS} levels deep` }
  for (const name of Object.keys(value)) {
    const fault = findUnstorable(value[name as keyof typeof value], level + 1) ?? findUnstorable(name)
    if (fault) return { ...fault, pointer: `/${escapePointer(name)}${fault.pointer}` }
  }
  return undefined
}

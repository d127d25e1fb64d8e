/** Text (form bodies, paths, queries, environment) becomes the values that a schema asks for. */
import type { TSchema } from 'typebox'

interface Described {
  type?: string
  const?: unknown
  required?: string[]
  properties?: Record<string, Described>
  items?: Described
}

const NUMBER = /^[+-]?\d{1,15}(\.\d{1,15})?$/
const TRUE = new Set(['on', 'true', '1', 'yes'])
const FALSE = new Set(['off', 'false', '0', 'no'])

/** Whether a text says yes, as a ticked box does. */
export const isTrue = (text: string) => TRUE.has(text)

/**
 * Decodes an object of texts by its schema: an empty optional field is absent, `on` is true, one value of a list is a list,
 * a text of digits is a number where the schema wants one. What does not fit stays as it is, for the check to refuse.
 */
export function decodeText(schema: TSchema, given: unknown): unknown {
  const { properties, required = [] } = schema as Described
  if (!properties || typeof given !== 'object' || given === null) return given
  return Object.fromEntries(
    Object.entries(given)
      .filter(([name, value]) => value !== '' || required.includes(name))
      .map(([name, value]) => {
        const field = Object.hasOwn(properties, name) ? properties[name] : undefined
        return [name, field ? decodeValue(field, value) : value]
      })
  )
}

/** Decodes a form body. What a browser leaves out is filled in: a box that is not ticked is false, a list of none is empty. */
export function decodeForm(schema: TSchema, given: Record<string, unknown>): unknown {
  const { properties = {}, required = [] } = schema as Described
  const untouched = required
    .filter((name) => !Object.hasOwn(given, name))
    .flatMap((name): [string, unknown][] => {
      const { type, const: only } = properties[name] ?? {}
      if (type === 'boolean' && only === undefined) return [[name, false]]
      return type === 'array' ? [[name, []]] : []
    })
  return { ...(decodeText(schema, given) as object), ...Object.fromEntries(untouched) }
}

function decodeValue(schema: Described, value: unknown): unknown {
  if (schema.type === 'array') {
    const list = Array.isArray(value) ? value : value === '' ? [] : [value]
    return list.map((item) => decodeValue(schema.items ?? {}, item))
  }
  if (typeof value !== 'string') return value
  switch (schema.type) {
    case 'string':
      return value.replaceAll('\r\n', '\n')
    case 'boolean':
      return TRUE.has(value) ? true : FALSE.has(value) ? false : value
    case 'integer':
    case 'number':
      return NUMBER.test(value.trim()) ? Number(value) : value
    default:
      return value
  }
}

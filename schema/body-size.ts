/** How long a body may be that fits its schema, so that no limit on bodies refuses what the form accepts. */
import type { TSchema } from 'typebox'

/** Four bytes of UTF-8 as `%F0%9F%90%9D`, or two halves as `\ud83d\udc1d`. */
const LONGEST_CHARACTER = 12
/** A number, a box, and what stands between fields. */
const SHORT_VALUE = 40
/** The page's own fields: its key and its trap. */
const PAGE_FIELDS = 1_000

interface Described {
  type?: string
  properties?: Record<string, Described>
  const?: unknown
  anyOf?: Described[]
  maxLength?: number
  maxItems?: number
  items?: Described
}

/** Bytes of the longest JSON that can fit a schema. What may hold anything counts as short. */
export function longestJson(schema: TSchema): number {
  const { type, anyOf, items, maxItems = 0, properties }: Described = schema
  if (type === 'array') return SHORT_VALUE + maxItems * longestJson(items ?? {})
  if (properties) {
    return Object.entries(properties).reduce(
      (sum, [name, child]) => sum + name.length + longestJson(child),
      SHORT_VALUE
    )
  }
  if (anyOf) return Math.max(SHORT_VALUE, ...anyOf.map(longestJson))
  return SHORT_VALUE + longestText({ type, ...schema })
}

/** Bytes of the longest body that can fit the fields, in JSON or as a form sends it. */
export function longestBody(fields: Record<string, TSchema>): number {
  return Object.entries(fields).reduce((sum, [name, schema]) => sum + longestField(name, schema), PAGE_FIELDS)
}

function longestField(name: string, schema: Described): number {
  // a form repeats the name for each entry of a list
  if (schema.type === 'array') return (schema.maxItems ?? 0) * longestField(name, schema.items ?? {})
  return name.length + SHORT_VALUE + longestText(schema)
}

function longestText({ type, maxLength = 0, const: only, anyOf = [] }: Described): number {
  if (typeof only === 'string') return only.length * LONGEST_CHARACTER
  if (type === 'string') return maxLength * LONGEST_CHARACTER
  return Math.max(0, ...anyOf.map(longestText))
}

/** As much of an OpenAPI 3.1 document as a collection is made of. */

export interface Schema {
  type?: string
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  minItems?: number
  minimum?: number
  minLength?: number
  maxLength?: number
  format?: string
  default?: unknown
}

export interface Operation {
  summary?: string
  description?: string
  tags?: string[]
  /** Ways to show who calls, each with its scopes; absent when nobody is asked. */
  security?: Record<string, string[]>[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, unknown>
}

export interface Description {
  info: { title: string; version: string; description: string }
  paths: Record<string, Record<string, Operation>>
}

/** An operation with its place: `POST /api/tasks`. */
export interface Call extends Operation {
  name: string
  method: string
  path: string
}

export const readCalls = ({ paths }: Description): Call[] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const upper = method.toUpperCase()
      return { ...operation, method: upper, path, name: `${upper} ${path}` }
    })
  )

const FORMATS: Record<string, string> = {
  email: 'ada@example.org',
  date: '2026-05-01',
  'date-time': '2026-05-01T08:00:00Z',
  uuid: '01940000-0000-7000-8000-000000000000'
}
const TEXT = 'Good morning'

/** A value that fits: what is required, and no more. */
export function exampleOf(schema: Schema): unknown {
  const { type, anyOf, properties, required = [], items, minItems = 0, minimum = 1 } = schema
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  if (anyOf?.[0]) return exampleOf(anyOf[0])
  if (properties) return Object.fromEntries(required.map((name) => [name, exampleOf(properties[name] ?? {})]))
  if (type === 'array') return Array.from({ length: minItems }, () => exampleOf(items ?? {}))
  if (type === 'integer' || type === 'number') return minimum
  if (type === 'boolean') return true
  if (schema.format && FORMATS[schema.format]) return FORMATS[schema.format]
  return TEXT.padEnd(schema.minLength ?? 0, '!').slice(0, schema.maxLength)
}

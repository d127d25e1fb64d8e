/** The linter that runs at each start: every definition complete, every string and list bounded. */
import { SUSPECTS } from './delivery.js'
import type { FormDefinition } from './form.js'
import type { JobDefinition } from './job.js'
import { SubmissionPayload } from './submission.js'

/** As many as a payload carries, see SubmissionPayload. */
const MOST_FIELDS = 100
const NAME = /^[a-z][a-z0-9-]{0,59}$/
const NAME_RULE = 'rename the file: lower-case letters, digits and hyphens, at most 60'
/** Field names of the page itself, which no form may take; the last four would stand before what its scripts call of a form element. */
const RESERVED = new Set(['idempotency_key', 'website', 'csrf_token', 'closest', 'dataset', 'elements', 'matches'])

/** Names under /api/jobs/ that are no job types. */
const TAKEN = new Set(['balance', 'replay'])

/** What is wrong with a form's definition, one line each. */
export function lintForm(name: string, form: FormDefinition, jobs: Record<string, JobDefinition>): string[] {
  const place = `schema/forms/${name}.ts`
  if (!isObject(form)) return [`${place}: its default export is no definition`]
  const faults: string[] = []
  if (!NAME.test(name)) faults.push(`${place}: ${NAME_RULE}`)
  if (!form.title) faults.push(`${place}: title is missing`)
  const fields = Object.entries(form.fields ?? {})
  if (!fields.length) faults.push(`${place}: fields are missing`)
  if (fields.length > MOST_FIELDS) faults.push(`${place}: more than ${MOST_FIELDS} fields`)
  for (const [field, schema] of fields) {
    if (!/^[a-z][a-z0-9_]{0,59}$/.test(field))
      faults.push(`${place}: field ${field}: lower-case letters, digits and _ only`)
    if (!isObject(schema)) {
      faults.push(`${place}: field ${field}: is no schema`)
      continue
    }
    if (RESERVED.has(field)) faults.push(`${place}: field ${field}: this name belongs to the page`)
    if (!(schema as Schema).title) faults.push(`${place}: field ${field}: title (its label) is missing`)
    faults.push(...findUnbounded(schema, field).map((fault) => `${place}: field ${fault}`))
    faults.push(...findUnanswerable(schema).map((fault) => `${place}: field ${field}: ${fault}`))
  }
  const job = form.job ?? 'store-submission'
  if (!Object.hasOwn(jobs, job)) faults.push(`${place}: job '${job}' has no definition in schema/jobs/${job}.ts`)
  else if (jobs[job]?.payload !== SubmissionPayload)
    faults.push(`${place}: job '${job}' does not take SubmissionPayload`)
  return faults
}

/** What is wrong with a job type's definition, one line each. */
export function lintJob(name: string, job: JobDefinition): string[] {
  const place = `schema/jobs/${name}.ts`
  if (!isObject(job)) return [`${place}: its default export is no definition`]
  const missing = (['title', 'queue', 'version', 'payload', 'result', 'limits'] as const).filter((part) => !job[part])
  if (missing.length) return missing.map((part) => `${place}: ${part} is missing`)
  const { maxAttempts, timeoutMs, batch, concurrency } = job.limits
  return [
    ...(NAME.test(name) ? [] : [`${place}: ${NAME_RULE}`]),
    ...(TAKEN.has(name) ? [`${place}: rename the file: /api/jobs/${name} is something else`] : []),
    ...(NAME.test(job.queue) && job.queue !== SUSPECTS ? [] : [`${place}: queue '${job.queue}': choose another name`]),
    ...outOfRange(place, 'version', job.version, 1, 1_000_000),
    ...outOfRange(place, 'limits.maxAttempts', maxAttempts, 1, 100),
    ...outOfRange(place, 'limits.timeoutMs', timeoutMs, 100, 86_400_000),
    ...outOfRange(place, 'limits.batch', batch, 1, 100),
    ...(batch > 1 && maxAttempts === 1
      ? [
          `${place}: limits.maxAttempts must be 2 or more where batch is: a neighbour that fails costs the whole delivery an attempt`
        ]
      : []),
    ...outOfRange(place, 'limits.concurrency', concurrency, 1, 100),
    ...findUnbounded(job.payload, 'payload').map((fault) => `${place}: ${fault}`),
    ...findUnbounded(job.result, 'result').map((fault) => `${place}: ${fault}`)
  ]
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null

function outOfRange(place: string, name: string, value: unknown, least: number, most: number): string[] {
  const fits = Number.isInteger(value) && (value as number) >= least && (value as number) <= most
  return fits ? [] : [`${place}: ${name} must be a whole number from ${least} to ${most}`]
}

interface Schema {
  title?: string
  type?: string
  format?: string
  const?: unknown
  enum?: unknown[]
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  minimum?: number
  maximum?: number
  maxProperties?: number
  additionalProperties?: unknown
  patternProperties?: Record<string, Schema>
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  allOf?: Schema[]
}

/** Places in a schema that accept a value without bound: a string, a list, an object of any fields, anything at all. */
function findUnbounded(schema: unknown, place: string): string[] {
  const { type, const: only, enum: names, ...rest } = schema as Schema
  if (only !== undefined || names) return []
  if (rest.anyOf?.length === 0) return [`${place}: a choice needs options`]
  const inner = [...(rest.anyOf ?? []), ...(rest.allOf ?? [])].flatMap((part) => findUnbounded(part, place))
  switch (type) {
    case 'string':
      return rest.maxLength === undefined ? [`${place}: a string needs maxLength`] : []
    case 'array':
      return [
        ...(rest.maxItems === undefined ? [`${place}: a list needs maxItems`] : []),
        ...findUnbounded(rest.items ?? {}, `${place}[]`)
      ]
    case 'object': {
      const open = (rest.additionalProperties !== false || rest.patternProperties) && rest.maxProperties === undefined
      return [
        ...(open ? [`${place}: an object needs additionalProperties: false or maxProperties`] : []),
        ...Object.entries(rest.properties ?? {}).flatMap(([name, part]) => findUnbounded(part, `${place}.${name}`)),
        ...Object.values(rest.patternProperties ?? {}).flatMap((part) => findUnbounded(part, `${place}.*`))
      ]
    }
    case 'integer':
    case 'number':
    case 'boolean':
    case 'null':
      return []
    default:
      return inner.length || rest.anyOf || rest.allOf ? inner : [`${place}: any value is accepted`]
  }
}

/** Why a field cannot be filled in, or not with each of its values. */
function findUnanswerable(schema: Schema): string[] {
  const ranges = [
    ['minimum', 'maximum'],
    ['minLength', 'maxLength'],
    ['minItems', 'maxItems']
  ] as const
  const options = schema.anyOf ?? schema.items?.anyOf ?? []
  return [
    ...ranges
      .filter(([least, most]) => (schema[least] ?? -Infinity) > (schema[most] ?? Infinity))
      .map(([least, most]) => `${least} is above ${most}`),
    ...(options.some((option) => option.const === '')
      ? ["an option cannot be '': this is what no choice is sent as"]
      : [])
  ]
}

/** A form's schema as the fields of its page. */
import { isTrue } from '#schema/decode-text'
import { sentence } from '#schema/fault-text'
import type { Fault } from '#schema/problem'
import type { Form } from '#schema/registry'

/** Text fields as a form sent them. */
export type Typed = Record<string, string | string[]>

/** Fields that belong to the page and not to the form: its one-time key, and a trap that people do not see. */
export const PAGE_FIELDS = { key: 'idempotency_key', trap: 'website' }

export interface PageField {
  name: string
  /** Of its control; of several boxes, the first one's. */
  id: string
  title: string
  description: string
  kind: 'text' | 'email' | 'date' | 'number' | 'textarea' | 'select' | 'checkboxes' | 'checkbox'
  required: boolean
  /** What was typed before. */
  value: string
  /** Of a box, whether it was ticked. */
  ticked: boolean
  options: { value: string; label: string; chosen: boolean }[]
  /** What is wrong, or ''. */
  error: string
  /** Ids of the hint and of what is wrong, for `aria-describedby`. */
  describedBy: string
  /** What the browser may fill in by itself, and the keys that a phone shows. */
  autocomplete: string
  inputmode: string
}

interface Described {
  type?: string
  title?: string
  description?: string
  format?: string
  widget?: 'textarea' | 'select' | 'checkboxes'
  labels?: Record<string, string>
  const?: unknown
  minItems?: number
}

/** Field names that are also names of what browsers know of their user (HTML, autofill detail tokens). */
const AUTOFILL = new Set(['name', 'email', 'tel', 'organization', 'street-address', 'postal-code', 'country-name'])

/** The fields in the order of the definition, with what was typed and what is wrong with it. */
export function describeFields(form: Form, typed: Typed, faults: Fault[]): PageField[] {
  const { required = [] } = form.schema as { required?: string[] }
  // a map, for a field may be called as what every object has
  const given = new Map(Object.entries(typed))
  return Object.entries(form.fields).map(([name, schema]) => {
    const { title = name, description = '', labels = {}, ...rest } = schema as Described
    const kind = kindOf(rest)
    const error = faults.find(({ pointer }) => fieldOf(pointer) === name)?.detail ?? ''
    const values = [given.get(name) ?? []].flat()
    const id = `field-${name}`
    return {
      name,
      id,
      title,
      description,
      kind,
      required: required.includes(name) && !isAnswerUntouched(rest),
      value: values[0] ?? '',
      ticked: isTrue(values[0] ?? ''),
      options: Object.entries(labels).map(([value, label]) => ({ value, label, chosen: values.includes(value) })),
      error: sentence(error),
      describedBy: [description && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' '),
      autocomplete: AUTOFILL.has(name) ? name : kind === 'email' ? 'email' : '',
      inputmode: kind !== 'number' ? '' : rest.type === 'integer' ? 'numeric' : 'decimal'
    }
  })
}

/** A box that may be ticked, and boxes of which none need be: what a browser leaves out of these is filled in. */
const isAnswerUntouched = ({ type, const: only, minItems = 0 }: Described) =>
  type === 'array' ? minItems === 0 : type === 'boolean' && only === undefined

/** The field that a JSON pointer into the form's data leads to or into. */
export const fieldOf = (pointer: string) => pointer.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~')

function kindOf({ type, format, widget, const: only }: Described): PageField['kind'] {
  if (widget) return widget
  if (type === 'boolean' || only === true) return 'checkbox'
  if (type === 'integer' || type === 'number') return 'number'
  return format === 'email' || format === 'date' ? format : 'text'
}

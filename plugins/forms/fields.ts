/** A form's schema as the fields of its page. */
import type { Fault } from '#schema/problem'
import type { Form } from '#schema/registry'

export interface PageField {
  name: string
  title: string
  description: string
  kind: 'text' | 'email' | 'date' | 'number' | 'textarea' | 'select' | 'checkboxes' | 'checkbox'
  required: boolean
  /** What was typed before; of a box, whether it was ticked. */
  values: string[]
  options: { value: string; label: string }[]
  /** What is wrong, or ''. */
  error: string
  /** Bounds as HTML attributes. */
  maxlength?: number
  min?: number
  max?: number
  step?: string
}

interface Described {
  type?: string
  title?: string
  description?: string
  format?: string
  widget?: 'textarea' | 'select' | 'checkboxes'
  labels?: Record<string, string>
  const?: unknown
  maxLength?: number
  minimum?: number
  maximum?: number
}

/** The fields in the order of the definition, with what was typed and what is wrong with it. */
export function describeFields(form: Form, typed: Record<string, string | string[]>, faults: Fault[]): PageField[] {
  const { required = [] } = form.schema as { required?: string[] }
  return Object.entries(form.fields).map(([name, schema]) => {
    const { title = name, description = '', labels = {}, maxLength, minimum, maximum, ...rest } = schema as Described
    const kind = kindOf(rest)
    const fault = faults.find(({ pointer }) => pointer === `/${name}` || pointer.startsWith(`/${name}/`))
    return {
      name,
      title,
      description,
      kind,
      required: required.includes(name),
      values: [typed[name] ?? []].flat(),
      options: Object.entries(labels).map(([value, label]) => ({ value, label })),
      error: fault?.detail ?? '',
      ...(maxLength !== undefined && { maxlength: maxLength }),
      ...(kind === 'number' && { min: minimum ?? 0, max: maximum ?? 0, step: rest.type === 'integer' ? '1' : 'any' })
    }
  })
}

function kindOf({ type, format, widget, const: only }: Described): PageField['kind'] {
  if (widget) return widget
  if (type === 'boolean' || only === true) return 'checkbox'
  if (type === 'integer' || type === 'number') return 'number'
  return format === 'email' || format === 'date' ? format : 'text'
}

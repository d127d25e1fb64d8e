/** What a form is, and the kinds of field it is made of. A field is the TypeBox schema of its value; `title` is its label. */
import Type, { type Static, type TSchema } from 'typebox'
import { NOT_BLANK } from './not-blank.js'

export interface FormDefinition {
  /** Heading of the form page. */
  title: string
  /** A sentence under the heading. */
  description?: string
  /** The fields in the order of the page, made by the functions below. */
  fields: Record<string, TSchema>
  /** Job type that takes the submissions of `/async/{form}`. Its payload must be `SubmissionPayload`. Default 'store-submission'. */
  job?: string
  /** What the page says after the submission. Default 'Thank you. We have received it.' */
  thanks?: string
  /** Label of the button. Default 'Send'. */
  submit?: string
}

/** Checks a definition's type while its literal names stay known. */
export const defineForm = <const D extends FormDefinition>(definition: D): D => definition

type Label = {
  /** Label beside the field. */
  title: string
  /** A hint under the field. */
  description?: string
}

/** One line of text, 1 to `maxLength` characters (default 200), not of spaces alone. */
export const text = ({ maxLength = 200, ...label }: Label & { maxLength?: number }) =>
  Type.String({ ...label, ...NOT_BLANK, maxLength })

/** Several lines of text, 1 to `maxLength` characters (default 5000), not of spaces alone. */
export const longText = ({ maxLength = 5000, ...label }: Label & { maxLength?: number }) =>
  Type.String({ ...label, ...NOT_BLANK, maxLength, widget: 'textarea' })

/** An e-mail address, at most 254 characters (RFC 5321 §4.5.3.1.3). */
export const email = (label: Label) => Type.String({ ...label, maxLength: 254, format: 'email' })

/** A calendar day such as 2026-12-31 (RFC 3339 full-date). */
export const date = (label: Label) => Type.String({ ...label, maxLength: 10, format: 'date' })

/** A whole number. */
export const integer = (options: Label & { minimum: number; maximum: number }) => Type.Integer(options)

/** A number with a fraction. */
export const number = (options: Label & { minimum: number; maximum: number }) => Type.Number(options)

/** One of several values; `options` maps each value to its label. */
export const choice = ({ options, ...label }: Label & { options: Record<string, string> }) =>
  Type.Union(literals(options), { ...label, widget: 'select', labels: options })

/** Any number of several values, each at most once. */
export const choices = ({
  options,
  minItems = 0,
  ...label
}: Label & { options: Record<string, string>; minItems?: number }) =>
  Type.Array(Type.Union(literals(options)), {
    ...label,
    minItems,
    maxItems: Object.keys(options).length,
    uniqueItems: true,
    widget: 'checkboxes',
    labels: options
  })

/** A box that may be ticked. */
export const flag = (label: Label) => Type.Boolean(label)

/** A box that must be ticked, such as a consent. */
export const accepted = (label: Label) => Type.Literal(true, label)

/** Makes a field optional: left empty, it is absent. */
export const optional = <T extends TSchema>(field: T) => Type.Optional(field)

const literals = (options: Record<string, string>) => Object.keys(options).map((value) => Type.Literal(value))

export const FormName = Type.String({ pattern: '^[a-z][a-z0-9-]{0,59}$', maxLength: 60, description: 'name of a form' })
export type FormName = Static<typeof FormName>

/** One filled-in form, as it travels and as it is kept. */
import Type, { type Static } from 'typebox'
import { FormName } from './form.js'
import { Timestamp, Uuid } from './job.js'

/** Where a submission came in: stored directly, or through the queue. */
export const Mode = Type.Union([Type.Literal('sync'), Type.Literal('async')])
export type Mode = Static<typeof Mode>

/** The payload of every job type that takes a form's submissions. `data` fits the form's own schema. */
export const SubmissionPayload = Type.Object(
  {
    form: FormName,
    // handlers read fields by name, which the type of an open object does not allow
    data: Type.Unsafe<Record<string, unknown>>(Type.Object({}, { additionalProperties: true, maxProperties: 100 })),
    form_version: Type.Optional(
      Type.String({ maxLength: 20, description: 'version of the form that accepted the data; written by the gateway' })
    )
  },
  { additionalProperties: false }
)
export type SubmissionPayload = Static<typeof SubmissionPayload>

/** A submission as its owner and operators read it. */
export const Submission = Type.Object(
  {
    id: Uuid,
    form: FormName,
    mode: Mode,
    data: Type.Unknown({ description: 'what was typed, by field' }),
    owner_id: Type.Union([Uuid, Type.Null()], { description: 'the user who sent it; null for nobody known' }),
    created_at: Timestamp
  },
  { title: 'Submission', additionalProperties: false }
)
export type Submission = Static<typeof Submission>

/** Answer to `POST /sync/{form}`. */
export const Stored = Type.Object({ id: Uuid, form: FormName }, { title: 'Stored', additionalProperties: false })
export type Stored = Static<typeof Stored>

/** Receipt of a submission that was stored directly: never what was typed. */
export const Receipt = Type.Object(
  { id: Uuid, form: FormName, created_at: Timestamp },
  { title: 'Receipt', additionalProperties: false }
)
export type Receipt = Static<typeof Receipt>

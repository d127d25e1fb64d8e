/** What travels through Redis: ids only, a wake-up and never the record. */
import Type, { type Static } from 'typebox'
import { Uuid } from './job.js'

export const Delivery = Type.Object(
  { v: Type.Literal(1), ids: Type.Array(Uuid, { minItems: 1, maxItems: 100 }) },
  { additionalProperties: false }
)
export type Delivery = Static<typeof Delivery>

/** A delivery as it comes out, with Bee-Queue's id: ours, a UUID that is used once. */
export const Arrival = Type.Object(
  {
    id: Uuid,
    ...Delivery.properties,
    returned: Type.Optional(Type.Literal(true, { description: 'a consumer had taken it before, and is gone' }))
  },
  { additionalProperties: false }
)
export type Arrival = Static<typeof Arrival>

/** Queue in which jobs travel whose last attempt ended without a word; a consumer runs one of them at a time. */
export const SUSPECTS = 'suspects'

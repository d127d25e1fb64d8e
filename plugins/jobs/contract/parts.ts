/** What the contracts of the routes share. */
import Type from 'typebox'
import { Timestamp, Uuid } from '#schema/job'

export const tags = ['jobs']

export const JobKey = Type.Object({ id: Uuid })

export const filters = {
  type: Type.Optional(Type.String({ maxLength: 60 })),
  error_code: Type.Optional(Type.String({ maxLength: 60, description: 'code of the last error' })),
  created_after: Type.Optional(Timestamp),
  created_before: Type.Optional(Timestamp)
}

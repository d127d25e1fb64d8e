/** The contract of each route: what comes in, what goes out. */
import Type from 'typebox'
import { problems } from '#schema/problem'
import { NewUser, Password, User } from '#schema/user'

const tags = ['account']

export const registerContract = {
  summary: 'Make an account',
  tags,
  body: NewUser,
  response: { 201: User, ...problems(400, 409, 413, 415, 422, 429, 503) }
}

export const resetPasswordContract = {
  summary: 'Choose a password with a one-time link',
  description: 'Ends all log-ins of the account. Keys stay until they are revoked.',
  tags,
  body: Type.Object(
    { token: Type.String({ minLength: 1, maxLength: 100 }), password: Password },
    { additionalProperties: false }
  ),
  response: { 204: Type.Null(), ...problems(400, 410, 413, 415, 422, 429, 503) }
}

/** The contract of each route: what comes in, what goes out. */
import Type from 'typebox'
import { Uuid } from '#schema/job'
import { problems } from '#schema/problem'
import { ApiKey, CreatedApiKey, NewApiKey, Password, Session, User } from '#schema/user'

const tags = ['account']
const params = Type.Object({ id: Uuid })
const strict = { additionalProperties: false }

export const meContract = {
  summary: 'Who am I?',
  tags,
  response: {
    200: Type.Object(
      {
        user: Type.Union([User, Type.Null()], { description: 'null for the key of the environment' }),
        scopes: Type.Array(Type.String({ maxLength: 20 }), { maxItems: 10 })
      },
      { title: 'Me', ...strict }
    ),
    ...problems(401, 403)
  }
}

export const changePasswordContract = {
  summary: 'Change my password',
  description: 'Ends my other log-ins. Keys stay until they are revoked.',
  tags,
  body: Type.Object({ current: Type.String({ minLength: 1, maxLength: 128 }), password: Password }, strict),
  response: { 204: Type.Null(), ...problems(400, 401, 403, 413, 415, 422, 429, 503) }
}

export const sessionsContract = {
  summary: 'List my log-ins',
  tags,
  response: {
    200: Type.Object({ items: Type.Array(Session, { maxItems: 100 }), next: Type.Null() }),
    ...problems(401, 403)
  }
}

export const endSessionContract = {
  summary: 'End one of my log-ins',
  tags,
  params,
  response: { 204: Type.Null(), ...problems(400, 401, 403, 404) }
}

export const keysContract = {
  summary: 'List my API keys',
  tags,
  response: {
    200: Type.Object({ items: Type.Array(ApiKey, { maxItems: 100 }), next: Type.Null() }),
    ...problems(401, 403)
  }
}

export const createKeyContract = {
  summary: 'Make an API key',
  description: 'The answer is the only one that shows it. It can do no more than what it was made with.',
  tags,
  body: NewApiKey,
  response: { 201: CreatedApiKey, ...problems(400, 401, 403, 409, 413, 415, 422, 503) }
}

export const revokeKeyContract = {
  summary: 'Revoke one of my API keys',
  description: 'It opens nothing any more within a second.',
  tags,
  params,
  response: { 204: Type.Null(), ...problems(400, 401, 403, 404) }
}

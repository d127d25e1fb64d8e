/** The contract of each route: what comes in, what goes out. */
import Type from 'typebox'
import { Uuid } from '#schema/job'
import { problems } from '#schema/problem'
import { ApiKeyName, Password } from '#schema/user'

const tags = ['account pages']
const produces = ['text/html']
const consumes = ['application/x-www-form-urlencoded']
const strict = { additionalProperties: false }
/** A path of ours; another is passed over. */
const next = Type.Optional(Type.String({ maxLength: 500, description: 'where to go afterwards' }))

const page = (summary: string) => ({
  summary,
  tags,
  produces,
  response: { 200: { description: 'the page', content: { 'text/html': { schema: Type.String() } } } }
})
const form = (summary: string, fields: Parameters<typeof Type.Object>[0]) => ({
  summary,
  tags,
  consumes,
  produces,
  body: Type.Object(fields, strict),
  response: {
    303: { description: 'done: where to go on', type: 'null' },
    ...problems(400, 403, 413, 415, 422, 429, 503)
  }
})

export const logInPageContract = {
  ...page('Log-in page'),
  querystring: Type.Object({ next, chosen: Type.Optional(Type.String({ maxLength: 5 })) })
}
export const logInContract = form('Log a browser in', {
  username: Type.String({ minLength: 1, maxLength: 100 }),
  password: Type.String({ minLength: 1, maxLength: 128 }),
  next
})
export const logOutContract = form('Log a browser out', {})
export const passwordPageContract = page('Page to choose a password with a one-time link')
export const choosePasswordContract = form('Choose a password with a one-time link', {
  token: Type.String({ minLength: 1, maxLength: 100 }),
  password: Password
})
export const accountContract = page('My account')
export const changePasswordContract = form('Change my password', {
  current: Type.String({ minLength: 1, maxLength: 128 }),
  password: Password
})
export const createKeyContract = form('Make a key', {
  name: ApiKeyName,
  may: Type.String({ maxLength: 60, description: 'its scopes, separated by spaces' })
})
export const rowContract = (summary: string) => ({ ...form(summary, {}), params: Type.Object({ id: Uuid }) })

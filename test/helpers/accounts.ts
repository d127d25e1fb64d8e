/** Accounts for tests, made as their owners make them: by a link, with a password. */
import { makeUser } from '../../infra/postgres/user.js'
import type { Stack } from './stack.js'

export const PASSWORD = 'six quiet bees at dawn'

export interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
  scope: string
  token_type: string
}

type Client = Pick<Stack, 'post' | 'postForm'>

/** An account with a password. */
export async function createUser(stack: Client & Pick<Stack, 'env'>, name: string, role?: 'user' | 'operator') {
  const { token } = await makeUser(String(stack.env.DATABASE_URL), { name, ...(role && { role }) })
  const answer = await stack.post('/api/users/password', { token, password: PASSWORD })
  if (answer.status !== 204) throw new Error(`${answer.status} ${await answer.text()}`)
}

export const askTokens = (client: Client, fields: Record<string, string>) => client.postForm('/api/oauth/token', fields)

export async function logIn(client: Client, username: string, more: Record<string, string> = {}): Promise<Tokens> {
  const answer = await askTokens(client, { grant_type: 'password', username, password: PASSWORD, ...more })
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return JSON.parse(await answer.text())
}

export const refresh = (client: Client, token: string) =>
  askTokens(client, { grant_type: 'refresh_token', refresh_token: token })

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

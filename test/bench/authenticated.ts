/** The same submission from somebody known: by an access token, and by an API key. */
import { makeUser } from '../../infra/postgres/user.js'
import { submission } from './contact-form.js'
import { driveAndCount } from './drive.js'
import { createLoad } from './load.js'
import type { Stage } from './stage.js'
import type { Work } from './works.js'

const PASSWORD = 'six quiet bees at dawn'

export const submitAs =
  (way: 'token' | 'key'): Work['run'] =>
  async (stage, _load, { seconds, folder }) => {
    await Promise.all([stage.start('gateway'), stage.start('consumer')])
    const token = await logIn(stage)
    const bearer = way === 'token' ? token : await makeKey(stage, token)
    const load = await createLoad(folder, { body: submission, headers: { authorization: `Bearer ${bearer}` } })
    return driveAndCount(stage, stage.side.sync ?? '', load, seconds)
  }

/** An account as its owner makes it; answers an access token. */
async function logIn(stage: Stage): Promise<string> {
  const { token } = await makeUser(stage.databaseUrl, { name: 'bench' })
  await send(stage, '/api/users/password', { token, password: PASSWORD })
  const fields = new URLSearchParams({ grant_type: 'password', username: 'bench', password: PASSWORD })
  const answer = await fetch(stage.url('/api/oauth/token'), { method: 'POST', body: fields })
  return String(Object(await answer.json()).access_token)
}

async function makeKey(stage: Stage, token: string): Promise<string> {
  const made = await send(stage, '/api/users/me/keys', { name: 'bench' }, { authorization: `Bearer ${token}` })
  return String(Object(await made.json()).key)
}

async function send(stage: Stage, path: string, body: object, headers = {}): Promise<Response> {
  const answer = await fetch(stage.url(path), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body)
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
  return answer
}

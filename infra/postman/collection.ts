/** A Postman collection (v2.1) from an OpenAPI document: every request works, in the order in which it stands there. */
import { FIRST, isLeftOut, LAST, type Step } from './journey.js'
import { type Call, type Description, exampleOf, readCalls } from './openapi.js'

/** The same with every generation, so that an import replaces the one before. */
const ID = '6d1f5f0e-8f5c-4f0b-9c55-0c6d2f1d9a10'
const SCHEMA = 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json'
const PAUSE_MS = 200
const MOST_TRIES = 100

type Header = { key: string; value: string }

export function makeCollection(description: Description) {
  const calls = new Map(readCalls(description).map((call) => [call.name, call]))
  const given = [...FIRST, ...LAST].filter(({ call }) => calls.has(call))
  const rest = [...calls.values()].filter((call) => !isLeftOut(call) && !given.some((step) => step.call === call.name))
  // who is created comes before who is asked for
  const simple = rest.sort((a, b) => rank(a) - rank(b)).map((call) => describe(call))
  const steps = [
    ...FIRST.filter(({ call }) => calls.has(call)),
    ...simple,
    ...LAST.filter(({ call }) => calls.has(call))
  ]
  const { title, version, description: sentence } = description.info
  return {
    info: { _postman_id: ID, name: `${title} ${version}`, description: sentence, schema: SCHEMA },
    auth: { type: 'bearer', bearer: [{ key: 'token', value: '{{access_token}}', type: 'string' }] },
    item: inFolders(steps.map((step) => makeItem(step, calls.get(step.call))))
  }
}

/** What it must be told before it runs. Secrets are left empty. */
export const makeEnvironment = ({ info }: Description) => ({
  id: 'b5a0a3f1-3d7e-4a55-8a0e-6c2f6d1e4b20',
  name: `${info.title} on this machine`,
  values: [
    { key: 'base_url', value: 'http://127.0.0.1:3000', type: 'default', enabled: true },
    { key: 'username', value: '', type: 'default', enabled: true },
    { key: 'password', value: '', type: 'secret', enabled: true }
  ],
  _postman_variable_scope: 'environment'
})

const rank = ({ path, method }: Call) => (method === 'POST' ? 0 : path.includes('{') ? 2 : 1)

/** A request that needs no word of its own: what it creates is known to those who ask for it by its id. */
function describe({ name, method, path }: Call): Step {
  const id = path
    .replace(/\/\{id\}$/, '')
    .replaceAll(/\W+/g, '_')
    .replace(/^_/, '')
  return {
    call: name,
    ...(path.endsWith('/{id}') && { path: { id: `${id}_id` } }),
    ...(method === 'POST' && { save: { [`${id}_id`]: 'id' } })
  }
}

function makeItem(step: Step, call: Call | undefined) {
  if (!call) throw new Error(`${step.call} is not described`)
  const { body, headers } = makeBody(step, call)
  const path = call.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => `{{${step.path?.[name] ?? name}}}`)
  const raw = `{{base_url}}${path}${step.query ? `?${step.query}` : ''}`
  const query = (step.query ?? '')
    .split('&')
    .filter(Boolean)
    .map((pair) => pair.split('='))
  const more = Object.entries({ Accept: 'application/json', ...step.headers }).map(([key, value]) => ({ key, value }))
  const isOpen = !call.security || call.path.startsWith('/.well-known')
  return {
    folder: call.tags?.[0] ?? 'other',
    name: step.name ?? call.summary ?? call.name,
    request: {
      method: call.method,
      header: [...headers, ...more],
      url: {
        raw,
        host: ['{{base_url}}'],
        path: path.split('/').slice(1),
        ...(query.length && { query: query.map(([key, value]) => ({ key, value })) })
      },
      ...(body && { body }),
      ...(isOpen && { auth: { type: 'noauth' } }),
      ...(call.description && { description: call.description })
    },
    event: [{ listen: 'test', script: { type: 'text/javascript', exec: makeTest(step, call) } }]
  }
}

function makeBody({ body }: Step, { requestBody }: Call): { body?: object; headers: Header[] } {
  const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? []
  if (!type || !content) return { headers: [] }
  const value = body ?? exampleOf(content.schema)
  if (type === 'application/json') {
    const raw = JSON.stringify(value, null, 2)
    return {
      body: { mode: 'raw', raw, options: { raw: { language: 'json' } } },
      headers: [{ key: 'Content-Type', value: type }]
    }
  }
  const fields = Object.entries(Object(value)).map(([key, value]) => ({ key, value: String(value), type: 'text' }))
  return { body: { mode: 'urlencoded', urlencoded: fields }, headers: [] }
}

function makeTest({ expect, save = {}, until }: Step, { responses, path }: Call): string[] {
  // pages are described by their problems alone
  const status = expect ?? Number(Object.keys(responses).find((code) => code.startsWith('2')) ?? 200)
  const lines = [`pm.test('answers ${status}', () => pm.response.to.have.status(${status}))`]
  if (until) {
    const tries = `tries of ${path}`
    lines.push(
      `const tries = Number(pm.variables.get('${tries}') || 0)`,
      `if (pm.response.json().status !== '${until}' && tries < ${MOST_TRIES}) {`,
      `  pm.variables.set('${tries}', tries + 1)`,
      '  postman.setNextRequest(pm.info.requestId)',
      `  setTimeout(() => {}, ${PAUSE_MS})`,
      `} else pm.test('it is ${until}', () => pm.expect(pm.response.json().status).to.equal('${until}'))`
    )
  }
  for (const [name, way] of Object.entries(save)) {
    lines.push(`pm.collectionVariables.set('${name}', pm.response.json().${way})`)
  }
  return lines
}

/** Requests in a row that share a folder stand in it together: the order stays. */
function inFolders(items: ReturnType<typeof makeItem>[]) {
  const folders: { name: string; item: object[] }[] = []
  for (const { folder, ...item } of items) {
    if (folders.at(-1)?.name !== folder) folders.push({ name: folder, item: [] })
    folders.at(-1)?.item.push(item)
  }
  return folders
}

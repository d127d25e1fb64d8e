import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { FOLDER, generateFiles } from '../../infra/postman/generate.js'
import { FIRST, isLeftOut, LAST, LEFT_OUT } from '../../infra/postman/journey.js'
import { type Description, exampleOf, readCalls } from '../../infra/postman/openapi.js'
import { createUser, PASSWORD } from '../helpers/accounts.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { startConsumer } from '../helpers/processes.js'
import { startStack } from '../helpers/stack.js'
import { UNWRAP } from '../helpers/unwrap.js'

t.setTimeout(200_000)

const run = promisify(execFile)
const read = (name: string) => readFile(join(FOLDER, name), 'utf8')
const description: Description = JSON.parse(await read('openapi.json'))
const calls = readCalls(description)

interface Item {
  name: string
  item?: Item[]
  request?: { method: string; url: { raw: string }; auth?: { type: string } }
  event?: { script: { exec: string[] } }[]
}
const requestsOf = (items: Item[]): Item[] => items.flatMap((item) => (item.item ? requestsOf(item.item) : [item]))
const collection: { info: { schema: string }; item: Item[] } = JSON.parse(await read('collection.json'))
const requests = requestsOf(collection.item)

t.test('E8 the files are those of the gateway as it is: make api writes them', async (t) => {
  const files = await generateFiles()
  t.strictSame(Object.keys(files), ['openapi.json', 'collection.json', 'environment.json'])
  for (const [name, text] of Object.entries(files)) t.ok(text === (await read(name)), `${name} is stale: make api`)
})

t.test('E8 every operation is in the collection, or is left out for a reason', async (t) => {
  t.match(collection.info.schema, '/v2.1.0/')
  const shape = ({ request }: Item) =>
    `${request?.method} ${request?.url.raw
      .replace('{{base_url}}', '')
      .replace(/\?.*/, '')
      .replaceAll(/\{\{\w+\}\}/g, '{}')}`
  const asked = new Set(requests.map(shape))
  for (const call of calls) {
    const name = `${call.method} ${call.path.replaceAll(/\{\w+\}/g, '{}')}`
    t.equal(asked.has(name), !isLeftOut(call), call.name)
  }
  const known = calls.map(({ name }) => name)
  for (const { call } of [...FIRST, ...LAST]) t.ok(known.includes(call), `${call} is described`)
  for (const call of Object.keys(LEFT_OUT)) t.ok(call === 'POST /api/users' || known.includes(call), call)
  for (const { name, event } of requests) t.match(event?.[0]?.script.exec.join(), /pm\.test/, `${name} is tested`)
  t.match(JSON.parse(await read('environment.json')).values, [
    { key: 'base_url' },
    { key: 'username', value: '' },
    { key: 'password', value: '' }
  ])
})

t.test('an example fits its schema', async (t) => {
  t.strictSame(
    exampleOf({
      type: 'object',
      required: ['name', 'kind', 'at', 'many', 'yes', 'n'],
      properties: {
        name: { type: 'string', maxLength: 4 },
        kind: { anyOf: [{ enum: ['a'] }, { enum: ['b'] }] },
        at: { type: 'string', format: 'date' },
        many: { type: 'array', minItems: 2, items: { type: 'boolean' } },
        yes: { const: true },
        n: { type: 'integer', minimum: 7 },
        more: { type: 'string' }
      }
    }),
    { name: 'Good', kind: 'a', at: '2026-05-01', many: [true, true], yes: true, n: 7 }
  )
})

t.test(
  'E8 newman runs the collection green against a running stack, through nginx',
  { skip: withoutNginx },
  async (t) => {
    const stack = await startStack(t, { PUBLIC_TASKS: 'true', TRUST_PROXY: '127.0.0.1' })
    await startConsumer(t, stack.env)
    await createUser(stack, 'keeper', 'operator')
    const nginx = await startNginx(t, { gateways: [stack.gateway.url] })
    const newman = join(FOLDER, '../../node_modules/.bin/newman')
    const variables = { base_url: nginx.url, username: 'keeper', password: PASSWORD }
    const args = Object.entries(variables).flatMap(([name, value]) => ['--env-var', `${name}=${value}`])
    const files = [join(FOLDER, 'collection.json'), '--environment', join(FOLDER, 'environment.json')]
    const command = [...UNWRAP, newman, 'run', ...files, ...args, '--color', 'off', '--timeout-request', '30000']
    const result = await run('env', command, { maxBuffer: 2 ** 26 }).catch((error) => error)
    t.notOk(result.code, 'it exits with 0')
    const [, tests, failed] = /assertions +│ +(\d+) +│ +(\d+) /.exec(result.stdout) ?? []
    t.ok(Number(tests) >= requests.length, `${tests} tests of ${requests.length} requests`)
    t.equal(failed, '0', 'no test of it failed')
    if (result.code) t.comment(result.stdout.split('\n').slice(-150).join('\n'))
  }
)

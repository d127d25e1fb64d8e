import t from 'tap'
import { CONTACT, startStack } from '../helpers/stack.js'
import { assertProblem, storesNothing } from './refusal.js'
import { createSend, FIELDS, JSON_TYPE, WAYS } from './send.js'

const stack = await startStack(t)
const send = createSend(stack)

t.test('D21 content types that were not offered are 415, odd spellings of the offered ones are not', async (t) => {
  const refused = [
    'text/plain',
    'text/json',
    'text/html',
    'text/xml',
    'application/xml',
    'application/octet-stream',
    'application/jsonx',
    'application/ld+json',
    'application/problem+json',
    'application/vnd.api+json',
    'application/json, text/plain',
    'application/json/x',
    'application/json%00',
    'application',
    'application/',
    'json',
    '/json',
    '*/*',
    ';charset=utf-8',
    'multipart/form-data',
    'multipart/form-data; boundary=x',
    'multipart/mixed; boundary=application/json',
    'application/x-www-form-urlencodedx',
    'image/png'
  ]
  const body = JSON.stringify(CONTACT)
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      for (const type of refused) {
        const { detail } = await assertProblem(t, await send(way, type, body), 415, `${way} with ${type}`)
        t.match(detail, 'application/json or application/x-www-form-urlencoded', 'it says what is offered')
      }
      await assertProblem(t, await send(way, undefined, new Uint8Array([1])), 415, 'a body without a type')
      for (const encoding of ['gzip', 'br', 'deflate', 'identity, gzip', 'x']) {
        const answer = await send(way, JSON_TYPE, body, { 'content-encoding': encoding })
        t.match(await assertProblem(t, answer, 415, encoding), { code: 'UNSUPPORTED_ENCODING' })
      }
    }
  })
  for (const type of ['Application/JSON', 'application/json; charset=utf-8', 'application/json;charset="utf-8"']) {
    t.equal((await send('/sync/contact', type, body)).status, 201, type)
  }
  for (const type of ['APPLICATION/X-WWW-FORM-URLENCODED', 'application/x-www-form-urlencoded;charset=UTF-8']) {
    t.equal((await send('/sync/contact', type, new URLSearchParams(FIELDS).toString())).status, 201, type)
  }
})

t.test('a multipart form is refused as a whole', async (t) => {
  const data = new FormData()
  for (const [name, value] of Object.entries(FIELDS)) data.set(name, value)
  data.set('file', new Blob(['x']), 'x.txt')
  await storesNothing(t, stack, async () => {
    for (const way of WAYS) {
      await assertProblem(t, await fetch(stack.gateway.url + way, { method: 'POST', body: data }), 415, 'multipart')
    }
  })
})

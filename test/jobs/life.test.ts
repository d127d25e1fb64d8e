/** The life of jobs over HTTP: read, result, forget, cancel, follow, timing. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Value } from 'typebox/value'
import { AsyncTask, AsyncTaskStatus } from '#schema/job'
import { eventually } from '../helpers/eventually.js'
import { readJob, startFaultStack } from '../helpers/fault-stack.js'
import { KEY } from '../helpers/processes.js'
import { createApi, probe } from './api.js'

const stack = await startFaultStack(t)
const [gateway, other, consumer] = await Promise.all([stack.gateway(), stack.gateway(), stack.consumer()])
const api = createApi(gateway)
const elsewhere = createApi(other)
const UNKNOWN = '01940000-0000-7000-8000-000000000000'
const UUID = /^[0-9a-f-]{36}$/
const done = (id: string) => eventually(async () => assert.equal(await api.status(id), 'succeeded'))

t.test('D5 the private part opens to the key alone, in a header or as bearer', async (t) => {
  const paths = ['/api/jobs', '/api/jobs/balance', `/api/jobs/${UNKNOWN}`, `/api/jobs/${UNKNOWN}/result`]
  for (const path of paths) {
    for (const headers of [
      {},
      { 'x-api-key': 'wrong' },
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic x' }
    ]) {
      const answer = await fetch(gateway.url + path, { headers })
      t.equal(answer.status, 401, path)
      t.ok(answer.headers.get('www-authenticate'))
    }
  }
  const bearer = await fetch(`${gateway.url}/api/jobs`, { headers: { authorization: `Bearer ${KEY['x-api-key']}` } })
  t.equal(bearer.status, 200)
  const closed = await stack.gateway({ API_KEY: '' })
  t.equal((await fetch(`${closed.url}/api/jobs`, { headers: KEY })).status, 401, 'without a key set nobody is let in')
})

t.test('D25 D26 the answers fit their shared schemas; an unknown id is 404, never pending', async (t) => {
  const sent = await api.post('/api/jobs/probe/async', probe())
  t.ok(Value.Check(AsyncTask, sent.body))
  await done(sent.body.id)
  t.ok(Value.Check(AsyncTaskStatus, (await api.get(`/api/jobs/${sent.body.id}`)).body))
  for (const path of ['', '/result', '/events', '/attempts']) {
    t.match(await api.get(`/api/jobs/${UNKNOWN}${path}`), { status: 404, body: { code: 'JOB_NOT_FOUND' } })
    t.match(await api.get(`/api/jobs/1${path}`), { status: 400 })
  }
  t.equal((await api.call('DELETE', `/api/jobs/${UNKNOWN}`)).status, 404)
})

t.test('D20 a result is kept; with forget=true it goes once its answer was written out', async (t) => {
  const id = await api.send()
  await done(id)
  const path = `/api/jobs/${id}/result`
  const { body } = await api.get(path)
  t.match(body, { run: UUID })
  t.same((await api.get(path)).body, body, 'by default it is kept')
  t.equal((await fetch(`${gateway.url}${path}?forget=true`, { method: 'HEAD', headers: KEY })).status, 200)
  await sleep(300)
  t.same((await api.get(path)).body, body, 'a HEAD request has read nothing')
  t.same((await api.get(`${path}?forget=true`)).body, body)
  await eventually(async () => assert.equal((await api.get(path)).status, 410))
  t.match(await api.get(`${path}?forget=true`), { status: 410, body: { code: 'RESULT_FORGOTTEN' } })
  t.match((await api.get(`/api/jobs/${id}`)).body, { status: 'succeeded', result: null, forgotten_at: /Z$/ })
})

t.test('D20 an answer that broke off takes no result away', async (t) => {
  const id = await api.send()
  await done(id)
  const { host } = new URL(gateway.url)
  const { connect } = await import('node:net')
  const [name, port] = host.split(':')
  await new Promise<void>((resolve) => {
    const socket = connect(Number(port), name, () => {
      socket.write(
        `GET /api/jobs/${id}/result?forget=true HTTP/1.1\r\nhost: ${host}\r\nx-api-key: ${KEY['x-api-key']}\r\n\r\n`,
        () => {
          socket.resetAndDestroy()
          resolve()
        }
      )
    })
  })
  await sleep(300)
  const { status } = await api.get(`/api/jobs/${id}/result`)
  t.ok(status === 200 || status === 410, 'kept, unless the whole answer had left before the line broke')
})

t.test('while it is open a result is 202; afterwards 409 tells how it ended badly', async (t) => {
  const id = await api.send({ action: 'sleep', ms: 5_000 })
  const open = await api.get(`/api/jobs/${id}/result`)
  t.match(open, { status: 202, body: { id } })
  t.ok(open.headers.get('retry-after'))
  t.equal((await elsewhere.call('DELETE', `/api/jobs/${id}`)).status, 204, 'from another gateway')
  t.match(await api.get(`/api/jobs/${id}/result`), { status: 409, body: { code: 'JOB_CANCELLED' } })
  t.match(await api.call('DELETE', `/api/jobs/${id}`), { status: 409, body: { code: 'JOB_FINISHED' } })
  await eventually(() => assert.ok(consumer.lines.some((line) => line.includes(id) && line.includes('was ended'))))
  t.match(await readJob(stack.db, id), { state: 'cancelled', effects: 0 })
})

interface Event {
  id: string
  event: string
  data: { status: string; attempts: number; progress: number | null }
}

async function follow(
  base: string,
  id: string,
  headers: Record<string, string> = {}
): Promise<{ status: number; events: Event[] }> {
  const answer = await fetch(`${base}/api/jobs/${id}/events`, { headers: { ...KEY, ...headers } })
  const text = await answer.text()
  const events = text.split('\n\n').flatMap((block) => {
    const fields = new Map(
      block.split('\n').map((line) => [line.split(': ')[0] ?? '', line.slice(line.indexOf(': ') + 2)])
    )
    return fields.has('data')
      ? [{ id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(fields.get('data') ?? '') }]
      : []
  })
  return { status: answer.status, events }
}

t.test('a job is followed by server-sent events, from another gateway too, until it ends', async (t) => {
  const id = await api.send({ action: 'sleep', ms: 1_200 })
  const { status, events } = await follow(other.url, id)
  t.equal(status, 200)
  t.equal(events.at(-1)?.data.status, 'succeeded')
  t.ok(events.some(({ data }) => data.status === 'active'))
  t.ok(events.every(({ event }) => event === 'state'))
  const versions = events.map(({ id }) => Number(id))
  t.strictSame(
    versions,
    [...new Set(versions)].sort((a, b) => a - b),
    'each version once, in order'
  )
  const again = await follow(gateway.url, id)
  t.strictSame(
    again.events.map(({ data }) => data.status),
    ['succeeded'],
    'who comes late gets the present state'
  )
  t.equal(
    (await follow(gateway.url, id, { 'last-event-id': events.at(-1)?.id ?? '' })).status,
    204,
    'nothing more: do not come back'
  )
})

t.test('run_at, expires_in and timeout hold, within the limits of the type', async (t) => {
  const at = new Date(Date.now() + 2_000)
  const id = await api.send({}, `?run_at=${at.toISOString()}`)
  await sleep(800)
  t.equal(await api.status(id), 'queued')
  await done(id)
  t.ok(new Date((await api.get(`/api/jobs/${id}`)).body.started_at) >= at)

  await consumer.kill('SIGTERM')
  const late = await api.send({}, '?expires_in=1')
  await sleep(1_200)
  await consumer.restart()
  await eventually(async () => assert.equal(await api.status(late), 'expired'))
  t.match(await api.get(`/api/jobs/${late}/result`), { status: 409, body: { code: 'JOB_EXPIRED' } })

  const short = await api.send({ action: 'sleep', ms: 5_000 }, '?timeout=0.3')
  await eventually(async () => {
    const { body } = await api.get(`/api/jobs/${short}/attempts`)
    assert.equal(body.items[0]?.outcome, 'timed_out')
  })
  await api.call('DELETE', `/api/jobs/${short}`)
  for (const query of [
    '?timeout=1000000',
    '?timeout=0',
    '?expires_in=0',
    '?expires_in=x',
    '?run_at=tomorrow',
    '?run_at=0000-01-01T00:00:00Z',
    '?run_at=9999-12-31T23:59:59-23:59',
    '?run_at=2099-06-30T23:59:60Z',
    '?priority=1'
  ]) {
    t.match(
      await api.post(`/api/jobs/probe/async${query}`, probe()),
      { status: 400, body: { code: 'INVALID_QUERYSTRING' } },
      query
    )
  }
})

t.test(
  'D21 JSON alone: another content type is 415, an unknown type of job 404, a payload that does not fit 422',
  async (t) => {
    const form = await fetch(`${gateway.url}/api/jobs/probe/async`, {
      method: 'POST',
      headers: { ...KEY, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'form=probe'
    })
    t.equal(form.status, 415)
    const pickle = await fetch(`${gateway.url}/api/jobs/probe/async`, {
      method: 'POST',
      headers: { ...KEY, 'content-type': 'application/x-python-serialize' },
      body: 'x'
    })
    t.equal(pickle.status, 415)
    t.equal((await api.post('/api/jobs/nothing/async', probe())).status, 404)
    t.match(await api.post('/api/jobs/probe', { form: 'probe', data: { marker: 1 } }), {
      status: 422,
      body: { code: 'INVALID_BODY' }
    })
    t.match(await api.post('/api/jobs/probe', { ...probe(), owner_id: UNKNOWN }), { status: 422 })
  }
)

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import drain from '#plugins/drain'
import { eventually } from '../helpers/eventually.js'

const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

/** A server whose connections may stay idle for longer than the test takes. `answer` ends what waits in it. */
async function startServer(t: Test) {
  const app = Fastify({ keepAliveTimeout: 600_000, forceCloseConnections: 'idle', return503OnClosing: false })
  let answer = () => {}
  const asked = new Promise<void>((resolve) => {
    app.get('/later', async () => {
      resolve()
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      return 'at last'
    })
  })
  app.get('/', async () => 'here')
  await app.register(drain)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  return { app, open: () => connect(port, '127.0.0.1'), asked, answer: () => answer() }
}

/** All that comes until the connection ends, or what broke it. */
const read = (socket: Socket) => text(socket).catch(({ code }: NodeJS.ErrnoException) => String(code))

t.test('rule 13: connections that wait when listening ends are taken, all of them, and answered', async (t) => {
  const { app, open } = await startServer(t)
  const sockets = Array.from({ length: 20 }, open)
  const answers = sockets.map(read)
  await new Promise(process.nextTick) // they are on their way to the system, and it takes them before the server does
  await app.stopListening()
  for (const socket of sockets) socket.write(GET)
  await app.close()
  for (const answer of await Promise.all(answers)) t.match(answer, /^HTTP\/1\.1 200 .*here$/s)
})

t.test(
  'rule 13: a request under way is told to close with its answer, and the stop does not wait for more',
  async (t) => {
    const { app, open, asked, answer } = await startServer(t)
    const socket = open()
    const answered = read(socket)
    socket.write(GET.replace('/', '/later'))
    await asked
    const closed = app.close()
    await eventually(() => assert.ok(!app.server.listening))
    answer()
    const got = await answered
    t.match(got, /connection: close/i)
    t.match(got, /at last$/)
    await t.resolves(closed)
  }
)

t.test('rule 13: a request that came while the process was too busy to read it is answered', async (t) => {
  const { app, open } = await startServer(t)
  const socket = open()
  socket.write(GET)
  const [first] = await once(socket.setEncoding('utf8'), 'data')
  t.match(first, /keep-alive/i, 'and the connection stays open')
  const rest = read(socket)
  const closed = app.close()
  await sleep(250) // not yet closed as idle
  await nextTurn() // after it come timers, and then what has arrived
  socket.write(GET)
  for (const until = performance.now() + 500; performance.now() < until; );
  t.match(await rest, /connection: close.*here$/is)
  await closed
})

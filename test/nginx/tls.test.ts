import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request as requestPlain } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startAuthority, withoutAuthority } from '../helpers/authority.js'
import { eventually } from '../helpers/eventually.js'
import { startNginx, withoutNginx } from '../helpers/nginx.js'
import { sendRaw } from '../helpers/raw-request.js'
import { startUpstream } from '../helpers/upstream.js'
import { openSocket, takeSockets } from '../helpers/web-socket.js'

t.setTimeout(200_000)

const run = promisify(execFile)
const script = (name: string) => join(import.meta.dirname, '../../../infra/nginx', name)

const makeFolder = async (t: Test) => {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-test-a b|c&-')) // as a clone's may be called
  await run('chmod', ['755', folder])
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}
const selfSign = (TLS_DIR: string, DOMAIN = '') =>
  run('sh', [script('self-signed.sh')], { env: { PATH: process.env.PATH, TLS_DIR, DOMAIN } })

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
  certificate: PeerCertificate | undefined
  protocol: string | null
}

/** Asks without believing in anybody, unless `options` name who is believed. */
const ask = (url: string, options: object = {}) =>
  new Promise<Answer>((resolve, reject) => {
    const send = url.startsWith('https') ? request : requestPlain
    const sent = send(url, { rejectUnauthorized: false, agent: false, ...options }, (answer) => {
      const socket = answer.socket as TLSSocket // or a plain one, which has none of what is asked for here
      const certificate = socket.getPeerCertificate?.()
      const protocol = socket.getProtocol?.() ?? null
      let body = ''
      answer.on('data', (part) => {
        body += part
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body, certificate, protocol })
      )
    })
    sent.on('error', reject)
    sent.end()
  })

const startEcho = (t: Test) =>
  startUpstream(t, ({ headers, url }, response) => response.end(JSON.stringify({ url, headers })))

if (withoutNginx) t.plan(0, withoutNginx)
else {
  t.test(
    'A22 C9 C10 with a self-signed certificate: https answers, http leads there but for the challenge',
    async (t) => {
      const tlsDir = await makeFolder(t)
      await selfSign(tlsDir, 'bees.example')
      await mkdir(join(tlsDir, 'challenges/.well-known/acme-challenge'), { recursive: true })
      await writeFile(join(tlsDir, 'challenges/.well-known/acme-challenge/token-1'), 'token-1.thumbprint')
      const upstream = await startEcho(t)
      const nginx = await startNginx(t, { gateways: [upstream.url], tlsDir, env: { DOMAIN: 'bees.example' } })
      const { port } = new URL(nginx.httpsUrl)

      const answer = await ask(`${nginx.httpsUrl}/api/health?x=1`)
      t.equal(answer.status, 200)
      t.equal(answer.headers['strict-transport-security'], 'max-age=31536000')
      t.match(JSON.parse(answer.body), {
        url: '/api/health?x=1',
        headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1', host: `127.0.0.1:${port}` }
      })
      t.match(answer.certificate?.subjectaltname, 'DNS:bees.example')

      const challenge = await ask(`${nginx.url}/.well-known/acme-challenge/token-1`)
      t.match(challenge, { status: 200, body: 'token-1.thumbprint' })
      t.match(challenge.headers['content-type'], 'text/plain; charset=utf-8')
      t.equal((await ask(`${nginx.url}/.well-known/acme-challenge/token-2`)).status, 404)
      t.equal((await ask(`${nginx.url}/.well-known/acme-challenge/`)).status, 301, 'no list')
      t.equal((await ask(`${nginx.url}/.well-known/acme-challenge/../../self-signed/privkey.pem`)).status, 301)

      for (const path of ['/', '/sync/contact?a=b%20c', '/api/tasks/1', '/.well-known/security.txt']) {
        const { status, headers } = await ask(nginx.url + path, { headers: { host: 'bees.example' } })
        t.match(
          { status, location: headers.location },
          { status: 301, location: `https://bees.example:${port}${path}` }
        )
        t.equal(headers['x-content-type-options'], 'nosniff')
        t.notOk(headers['strict-transport-security'], 'only where it is true')
      }
      const requests = upstream.requests.length
      t.equal((await ask(`${nginx.url}/sync/contact`, { method: 'POST' })).status, 301)
      t.equal(upstream.requests.length, requests, 'nothing comes in without TLS')
    }
  )

  t.test('C10 only TLS 1.2 and 1.3 are spoken, with forward secrecy', async (t) => {
    const tlsDir = await makeFolder(t)
    await selfSign(tlsDir)
    const nginx = await startNginx(t, { gateways: [(await startEcho(t)).url], tlsDir })
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      t.equal((await ask(`${nginx.httpsUrl}/`, { minVersion: version, maxVersion: version })).protocol, version)
    }
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
      await t.rejects(ask(`${nginx.httpsUrl}/`, old), /alert|version|protocol/i, version)
    }
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA256:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA' }
    await t.rejects(ask(`${nginx.httpsUrl}/`, weak), /alert|handshake|cipher/i)
    const { port } = new URL(nginx.httpsUrl)
    const negotiated = await new Promise((resolve, reject) => {
      const socket = connect(
        { port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
        () => {
          resolve(socket.alpnProtocol)
          socket.destroy()
        }
      )
      socket.on('error', reject)
    })
    t.equal(negotiated, 'h2')
  })

  t.test('A11 what is refused over TLS is a problem as well: large over HTTP/2, or sent without TLS', async (t) => {
    const tlsDir = await makeFolder(t)
    await selfSign(tlsDir)
    const nginx = await startNginx(t, { gateways: [(await startEcho(t)).url], tlsDir })
    const session = connectHttp2(nginx.httpsUrl, { rejectUnauthorized: false })
    t.teardown(() => session.destroy())
    const large = await new Promise<{ type: string; body: string }>((resolve, reject) => {
      const sent = session.request({ ':method': 'POST', ':path': '/sync/', 'content-length': 17_000_000 })
      let type = ''
      let body = ''
      sent.on('response', (headers) => {
        type = `${headers['content-type']}`
      })
      sent.on('data', (part) => {
        body += part
      })
      sent.on('end', () => resolve({ type, body }))
      sent.on('error', reject)
    })
    t.equal(large.type, 'application/problem+json; charset=utf-8')
    t.match(JSON.parse(large.body), { status: 413, code: 'BODY_TOO_LARGE' })

    const plain = await sendRaw(nginx.httpsUrl, ['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])
    t.match(plain, /^HTTP\/1.1 400 .*application\/problem\+json.*"code":"BROKEN_REQUEST"/s)
  })

  t.test('C14 a WebSocket opens over TLS', async (t) => {
    const tlsDir = await makeFolder(t)
    await selfSign(tlsDir)
    const upstream = await startEcho(t)
    takeSockets(upstream)
    const nginx = await startNginx(t, { gateways: [upstream.url], tlsDir })
    const { socket } = await openSocket(t, `${nginx.httpsUrl}/ws/notifications`)
    socket.write('hello')
    t.equal(await new Promise((resolve) => socket.once('data', (data) => resolve(String(data)))), 'echo: hello')
  })

  t.test('make tls keeps a certificate that still holds, and makes a new one for a new name', async (t) => {
    const tlsDir = await makeFolder(t)
    t.match((await selfSign(tlsDir)).stdout, /^made a self-signed certificate/)
    t.match((await selfSign(tlsDir)).stdout, /^a certificate is there/)
    t.match((await selfSign(tlsDir, 'bees.example')).stdout, /^made a self-signed certificate/)
    t.match((await selfSign(tlsDir, 'bees.example')).stdout, /^a certificate is there/)
    t.match((await selfSign(tlsDir, 'bees.example.org')).stdout, /^made a self-signed certificate/)
    t.match((await selfSign(tlsDir, 'bees.example')).stdout, /^made/, 'what only begins like it is another name')
    const { stdout } = await run('find', [tlsDir, '-name', 'privkey.pem', '-perm', '600'])
    t.match(stdout, 'privkey.pem', 'its key is for nobody else')
  })

  t.test(
    'a certificate that comes later is taken without a stop; until then nothing is served without TLS',
    async (t) => {
      const tlsDir = await makeFolder(t)
      const upstream = await startEcho(t)
      const waiting = await startNginx(t, {
        gateways: [upstream.url],
        tlsDir,
        env: { ACME_EMAIL: 'keeper@bees.example' }
      })
      t.equal((await ask(`${waiting.url}/api/health`)).status, 301, 'one is on its way')
      const open = await startNginx(t, { gateways: [upstream.url], tlsDir })
      t.equal((await ask(`${open.url}/api/health`)).status, 200, 'none is asked for')
      await selfSign(tlsDir, 'bees.example')
      for (const nginx of [waiting, open]) {
        await eventually(async () => assert.equal((await ask(`${nginx.httpsUrl}/api/health`)).status, 200))
        // the processes of before go on for a moment
        await eventually(async () => assert.equal((await ask(`${nginx.url}/api/health`)).status, 301))
      }
      t.pass('both do')
    }
  )

  t.test('C10 a certificate that does not fit its key yet is taken as soon as it does', async (t) => {
    const [tlsDir, later] = [await makeFolder(t), await makeFolder(t)]
    await selfSign(tlsDir)
    await selfSign(later)
    const nginx = await startNginx(t, { gateways: [(await startEcho(t)).url], tlsDir })
    const serialOf = async () => (await ask(`${nginx.httpsUrl}/`)).certificate?.serialNumber
    const first = await serialOf()
    const put = (name: string) => run('cp', [join(later, 'self-signed', name), join(tlsDir, 'self-signed', name)])
    await put('fullchain.pem')
    await eventually(() => assert.match(nginx.errors.join('\n'), /key values mismatch/))
    t.equal(await serialOf(), first, 'the one of before is served meanwhile')
    await put('privkey.pem')
    await eventually(async () => assert.notEqual(await serialOf(), first))
    t.pass('and now the new one')
  })

  t.test(
    'C10 an authority issues a certificate by webroot and renews it; nginx takes both',
    { skip: withoutAuthority },
    async (t) => {
      const folder = await makeFolder(t)
      const tlsDir = join(folder, 'tls')
      const upstream = await startEcho(t)
      const DOMAIN = 'bees.example,www.bees.example'
      const nginx = await startNginx(t, { gateways: [upstream.url], tlsDir, env: { DOMAIN } })
      const authority = await startAuthority(t, folder, { httpPort: Number(new URL(nginx.url).port) })
      const certbot = (...args: string[]) =>
        run('sh', [script('certbot.sh'), 'once', ...args], {
          env: {
            PATH: process.env.PATH,
            TMPDIR: folder,
            TLS_DIR: tlsDir,
            DOMAIN,
            ACME_EMAIL: 'keeper@bees.example',
            ACME_SERVER: authority.directory,
            REQUESTS_CA_BUNDLE: authority.ca
          }
        })
      const serialOf = async () =>
        (await ask(`${nginx.httpsUrl}/`, { servername: 'bees.example' })).certificate?.serialNumber

      await certbot()
      const first = await eventually(serialOf)
      const { certificate } = await ask(`${nginx.httpsUrl}/`)
      t.match(certificate?.issuer.CN, /^Pebble Intermediate CA/)
      t.match(certificate?.subjectaltname, 'DNS:www.bees.example')

      await certbot()
      t.equal(await serialOf(), first, 'one that holds is not asked for again')
      await certbot('--force-renewal')
      await eventually(async () => assert.notEqual(await serialOf(), first))
      t.equal((await ask(`${nginx.url}/api/health`)).status, 301)
      t.notMatch(nginx.errors.join('\n'), /emerg|alert/)
    }
  )

  t.test('C10 certbot names what it misses', async (t) => {
    const env = { PATH: process.env.PATH, TLS_DIR: await makeFolder(t) }
    await t.rejects(run('sh', [script('certbot.sh'), 'once'], { env }), { code: 2, stderr: /DOMAIN: is missing/ })
    await t.rejects(run('sh', [script('certbot.sh'), 'once'], { env: { ...env, DOMAIN: 'x' } }), {
      code: 2,
      stderr: /ACME_EMAIL: is missing/
    })
  })
}

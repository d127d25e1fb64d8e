import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { startAuthority, withoutAuthority } from '../helpers/authority.js'
import { eventually } from '../helpers/eventually.js'
import type { Stack } from './stack.js'

const run = promisify(execFile)

/** TLS with a certificate of our own making, then with one of an authority. */
export async function testCertificates(t: Test, stack: Stack) {
  await t.test('C10 A22 make tls: https answers, http leads there', async (t) => {
    t.match(await stack.make('tls'), /made a self-signed certificate/)
    await eventually(async () => assert.equal((await ask(stack.httpsUrl)).status, 200))
    await eventually(async () => {
      const led = await fetch(`${stack.url}/sync/?a=1`, { redirect: 'manual' })
      assert.deepEqual([led.status, led.headers.get('location')], [301, `${stack.httpsUrl}/sync/?a=1`])
    })
    t.match(await stack.make('up'), `${stack.httpsUrl}/`)
    t.match((await ask(stack.httpsUrl)).issuer, /self-signed/)
  })

  await t.test(
    'C9 C10 certbot issues by webroot and renews; nginx takes both',
    { skip: withoutAuthority },
    async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'beeline-test-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      await chmod(folder, 0o755)
      // certbot reaches this machine as the gateway of its network; the authority finds nginx where it is published
      const network = `${stack.project}_public`
      const inspect = ['network', 'inspect', network, '--format', '{{(index .IPAM.Config 0).Gateway}}']
      const host = (await run('docker', inspect)).stdout.trim()
      const authority = await startAuthority(t, folder, { httpPort: Number(new URL(stack.url).port), host })
      const override = join(folder, 'authority.yml')
      const mount = `volumes: ["${authority.ca}:/authority.pem:ro"]`
      await writeFile(
        override,
        `services: { certbot: { environment: { REQUESTS_CA_BUNDLE: /authority.pem }, ${mount} } }`
      )
      const settings = {
        COMPOSE_FILE: `docker-compose.yml:${override}`,
        DOMAIN: 'bees.example',
        ACME_EMAIL: 'keeper@bees.example',
        ACME_SERVER: authority.directory
      }
      t.match(await stack.make('up', settings), `${stack.httpsUrl}/`)
      const first = await eventually(
        async () => {
          const seen = await ask(stack.httpsUrl)
          assert.match(seen.issuer, /Pebble/)
          return seen
        },
        { timeout: 30_000 }
      )
      const certbot = (await stack.containers()).find(({ Service }) => Service === 'certbot')
      t.match(certbot, { State: 'running', Health: 'healthy' })
      t.not((await stack.inside('certbot', 'id -u')).trim(), '0')
      await stack.inside('certbot', 'sh /certbot.sh once --force-renewal')
      await eventually(async () => assert.notEqual((await ask(stack.httpsUrl)).serial, first.serial))
      t.equal((await ask(stack.httpsUrl)).status, 200)
    }
  )
}

/** Asks for the health page without believing in anybody. */
function ask(url: string): Promise<{ status: number; issuer: string; serial: string }> {
  return new Promise((resolve, reject) => {
    const sent = get(
      `${url}/api/health`,
      { rejectUnauthorized: false, agent: false, servername: 'bees.example' },
      (answer) => {
        const { issuer, serialNumber } = (answer.socket as TLSSocket).getPeerCertificate() // https has no other sockets
        answer.resume()
        resolve({ status: answer.statusCode ?? 0, issuer: String(issuer.CN), serial: serialNumber })
      }
    )
    sent.on('error', reject)
  })
}

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { trustProxies } from '../../services/gateway/trusted-proxies.js'
import { eventually } from '../helpers/eventually.js'

t.test('C15 addresses and networks are trusted in every spelling, and nobody else', async (t) => {
  const { trusts, stop } = trustProxies('10.1.2.3, 192.168.0.0/16, loopback,fd00::/8')
  t.teardown(stop)
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.168.77.1', '127.0.0.9', '::1', 'fd00::17'])
    t.ok(trusts(address), address)
  for (const address of ['10.1.2.4', '::ffff:10.1.2.4', '192.169.0.1', '8.8.8.8', '::2', 'fe80::1', '', 'x'])
    t.notOk(trusts(address), address)
})

t.test('C15 a name is trusted for the addresses that it has now; one that is not known trusts nobody', async (t) => {
  let addresses: string[] | undefined = ['10.0.0.7']
  const { trusts, known, stop } = trustProxies('nginx, 10.9.9.9', async (name) => {
    assert.equal(name, 'nginx')
    if (!addresses) throw new Error('the name server is away')
    return addresses
  })
  t.teardown(stop)
  t.notOk(trusts('10.0.0.7'), 'not before it was looked up')
  t.ok(trusts('10.9.9.9'))
  await known
  t.ok(trusts('10.0.0.7'))
  t.notOk(trusts('10.0.0.8'))
  addresses = ['10.0.0.8', 'fd00::8']
  await eventually(() => assert.ok(trusts('10.0.0.8') && trusts('fd00::8')))
  t.notOk(trusts('10.0.0.7'), 'its old address is that of nobody')
  addresses = undefined
  t.ok(trusts('10.0.0.8'), 'a name server that is away changes nothing')
})

t.test('a name server that does not answer holds nobody up', async (t) => {
  const { trusts, known, stop } = trustProxies('nginx', () => new Promise(() => {}))
  t.teardown(stop)
  t.ok(await Promise.race([known.then(() => true), sleep(10_000, false)]))
  t.notOk(trusts('10.0.0.7'))
})

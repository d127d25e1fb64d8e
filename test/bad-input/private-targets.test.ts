import t from 'tap'
import { createNames, createOutside, startCanary, startSite } from '../helpers/outside-app.js'

/** Every spelling leads to a port on which somebody listens on all addresses of this machine, and which is open to public ones. */
const canary = await startCanary(t)
const P = canary.port

const ADDRESSES = {
  'loopback, as one writes it': ['127.0.0.1', '127.0.0.2', '127.255.255.254', 'localhost'],
  'loopback, short': ['127.1', '127.0.1', '0'],
  'loopback, as one number': ['2130706433', '0x7f000001', '017700000001', '0x7F000001'],
  'loopback, hexadecimal and octal': ['0x7f.0.0.1', '0x7f.1', '0177.0.0.1', '0177.0x0.0.1', '00000177.1', '127.0.0.01'],
  'loopback, other characters': [
    '127。0。0。1',
    '127．0．0．1',
    '127｡0｡0｡1',
    '１２７.０.０.１',
    '①②⑦.⓪.⓪.①',
    '%31%32%37.0.0.1'
  ],
  'a dot at the end': ['127.0.0.1.', 'localhost.', '127.1.'],
  'this host, broadcast, multicast': ['0.0.0.0', '0.1.2.3', '255.255.255.255', '224.0.0.1', '239.255.255.250'],
  private: [
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.254',
    '192.168.0.1',
    '192.168.255.255',
    '0xa000001'
  ],
  'link-local and the clouds': [
    '169.254.169.254',
    '169.254.0.1',
    '0xa9fea9fe',
    '2852039166',
    '168.63.129.16',
    '100.100.100.200'
  ],
  'shared, reserved, documentation, benchmark': [
    '100.64.0.1',
    '100.127.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '198.51.100.7',
    '203.0.113.9',
    '198.18.0.1',
    '198.19.255.255',
    '240.0.0.1',
    '192.88.99.1'
  ],
  'IPv6, local': [
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[0000::0001]',
    '[::]',
    '[fe80::1]',
    '[febf::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[FD12:3456::1]',
    '[fec0::1]',
    '[ff02::1]'
  ],
  'IPv6 that carries IPv4': [
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::FFFF:A00:1]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b::169.254.169.254]',
    '[64:ff9b:1::1]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
    '[2001:0:4136:e378:8000:63bf:80ff:fffe]',
    '[2001::1]'
  ],
  'IPv6, not given out': ['[2001:db8::1]', '[3fff::1]', '[100::1]', '[5f00::1]', '[4000::1]', '[2001:20::1]']
}
/** What is no address of http or https at all. */
const UNREADABLE = [
  'ftp://127.0.0.1/',
  'file:///etc/passwd',
  'gopher://127.0.0.1:6379/_INFO',
  'data:text/html,x',
  'javascript:alert(1)',
  'http://[fe80::1%25eth0]/',
  'http://[fe80::1%eth0]/',
  'http://256.256.256.256/',
  'http://1.2.3.4.5/',
  'http://0x100000000/',
  'http://[::1',
  'http://',
  'http://127.0.0.1:99999/',
  '//127.0.0.1/',
  '127.0.0.1',
  '',
  'http://%00/',
  'http://a b/',
  'http://user@127.0.0.1/',
  'http://user:secret@example.org/',
  'http://example.org@127.0.0.1/',
  'http://127.0.0.1:80@[::1]/',
  'unix:/var/run/docker.sock'
]

const names = createNames({ localhost: [['127.0.0.1', '::1']] })

t.test('C3 E10 each spelling of an address that is not public is refused, and nobody is called', async (t) => {
  const { fail } = await createOutside(t, { ports: [80, 443, P], resolve: names.resolve })
  for (const [kind, hosts] of Object.entries(ADDRESSES)) {
    for (const host of hosts) {
      for (const url of [`http://${host}:${P}/`, `HTTP:\\\\${host}:${P}\\`]) {
        const { code, message, passing } = await fail(url)
        t.strictSame([code, passing], ['ADDRESS_FORBIDDEN', false], `${kind}: ${url}`)
        t.equal(message, 'this address may not be called', 'and the answer tells nothing')
      }
    }
  }
  t.ok(Object.values(ADDRESSES).flat().length >= 60)
  t.equal(canary.connections(), 0, 'nobody was called')
})

t.test('what is no address of http or https is refused unread', async (t) => {
  const { fail } = await createOutside(t, { ports: [80, 443, P], resolve: names.resolve })
  for (const url of UNREADABLE) t.match(await fail(url), { code: 'BAD_URL', passing: false }, url)
  t.equal(canary.connections(), 0)
})

t.test('ports other than 80 and 443 are refused, whoever has them', async (t) => {
  const { resolve } = createNames({ 'public.test': [['93.184.216.34']] })
  const { fail } = await createOutside(t, { resolve })
  for (const port of [22, 25, 3306, 5432, 6379, 8080, 65_535])
    t.match(await fail(`http://public.test:${port}/`), { code: 'ADDRESS_FORBIDDEN' }, `port ${port}`)
})

t.test('a name is refused for a single one of its addresses, public ones beside it or not', async (t) => {
  const { resolve } = createNames({
    'inside.test': [['127.0.0.1']],
    'both.test': [['93.184.216.34', '127.0.0.1']],
    'both-6.test': [['93.184.216.34', '::ffff:127.0.0.1']],
    'six.test': [['2606:2800:220:1::1', 'fd00::1']],
    'odd.test': [['127.1']],
    'none.test': [[]]
  })
  const { fail } = await createOutside(t, { ports: [80, 443, P], resolve })
  for (const host of ['inside', 'both', 'both-6', 'six', 'odd', 'none']) {
    t.match(await fail(`http://${host}.test:${P}/`), { code: 'ADDRESS_FORBIDDEN' }, host)
  }
  t.match(await fail(`http://nowhere.test:${P}/`), { code: 'HOST_NOT_FOUND', passing: false })
  t.equal(canary.connections(), 0)
})

t.test('a name that changes its address is checked at each look-up, and looked up once for a connection', async (t) => {
  const site = await startSite(t, (_, response) => response.setHeader('connection', 'close').end('good'))
  const rebinding = () => createNames({ 'rebind.test': [['127.0.0.1'], ['127.0.0.2']] })
  const allow = `127.0.0.1/32:${site.port}`

  const first = rebinding()
  const { request, fail } = await createOutside(t, { allow, resolve: first.resolve })
  t.equal((await request(`http://rebind.test:${site.port}/`)).body.toString(), 'good')
  t.strictSame(first.asked, ['rebind.test'], 'the answer that was checked is the one that is used')
  t.match(await fail(`http://rebind.test:${site.port}/`), { code: 'ADDRESS_FORBIDDEN' })
  t.strictSame(first.asked, ['rebind.test', 'rebind.test'])
  t.equal(site.connections(), 1)
})

t.test('a socket that arrives elsewhere than it was sent is closed before anything is said', async (t) => {
  const site = await startSite(t, (_, response) => response.end('secret'))
  const { buildConnector } = await import('undici')
  const { resolve } = createNames({ 'public.test': [['93.184.216.34']] })
  const { fail } = await createOutside(t, {
    ports: [80, 443, site.port],
    resolve,
    // a network that leads every connection to this machine
    build: () => (options, callback) => buildConnector({})({ ...options, hostname: '127.0.0.1' }, callback)
  })
  t.match(await fail(`http://public.test:${site.port}/`, { retries: 0 }), { code: 'ADDRESS_FORBIDDEN' })
  t.equal(site.connections(), 1)
  t.equal(site.requests.length, 0)
})

t.test('redirects into the inside end there, at any hop and in any spelling', async (t) => {
  const targets = [
    `http://127.0.0.2:${P}/`,
    `http://[::1]:${P}/`,
    `http://2130706434:${P}/`,
    `//127.0.0.2:${P}/`,
    `http://inside.test:${P}/`,
    'http://169.254.169.254/latest/meta-data/'
  ]
  const schemes = [
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'javascript:1',
    `http://user:pass@127.0.0.1:${P}/`,
    'gopher://x/'
  ]
  const all = [...targets, ...schemes]
  const site = await startSite(t, ({ url = '' }, response) => {
    const [hops = 0, target = 0] = url.slice(1).split('/').map(Number)
    response.statusCode = [301, 302, 303, 307, 308][target % 5] ?? 302
    response.setHeader('location', hops > 0 ? `/${hops - 1}/${target}` : (all[target] ?? '')).end()
  })
  const { resolve } = createNames({ 'inside.test': [['127.0.0.2']] })
  const { fail } = await createOutside(t, { allow: `127.0.0.1:${site.port}`, ports: [80, 443, P], resolve })
  for (const [i, target] of all.entries()) {
    for (const hops of [0, 2]) {
      const code = i < targets.length ? 'ADDRESS_FORBIDDEN' : 'BAD_URL'
      t.match(await fail(`${site.url}/${hops}/${i}`), { code, passing: false }, `${target} after ${hops} more`)
    }
  }
  t.equal(canary.connections(), 0)
})

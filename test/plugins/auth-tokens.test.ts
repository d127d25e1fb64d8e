import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto'
import t from 'tap'
import { createAccessTokens } from '../../plugins/auth/access-tokens.js'
import { keyFor } from '../../plugins/auth/secrets.js'

const secret = 'a-secret-for-tests-of-at-least-32-characters'
const issuer = 'http://127.0.0.1:3000'
const tokens = createAccessTokens({ secret, issuer })
const key = keyFor('access tokens', secret)

const ids = { userId: '01940000-0000-7000-8000-000000000001', sessionId: '01940000-0000-7000-8000-000000000002' }
const good = tokens.sign({ ...ids, scopes: ['read', 'write'] })
const decode = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString())
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const [header, claims] = good.split('.').slice(0, 2).map(decode)

/** Signed with our own key unless another one is given. */
function forge(changes: { header?: object; claims?: object; key?: Buffer | string; hash?: string } = {}) {
  const input = `${encode({ ...header, ...changes.header })}.${encode({ ...claims, ...changes.claims })}`
  const signature = createHmac(changes.hash ?? 'sha256', changes.key ?? key)
    .update(input)
    .digest('base64url')
  return `${input}.${signature}`
}

t.test('C16 a token of ours is read', (t) => {
  const expiresAt = claims.exp * 1_000
  t.strictSame(tokens.read(good), { ...ids, scopes: ['read', 'write'], expiresAt })
  t.strictSame(tokens.read(forge()), { ...ids, scopes: ['read', 'write'], expiresAt }, 'the forge makes good ones too')
  t.match(header, { alg: 'HS256', typ: 'at+jwt' })
  t.match(claims, { iss: issuer, aud: `${issuer}/api`, sub: ids.userId, sid: ids.sessionId })
  t.equal(claims.exp - claims.iat, 900)
  t.end()
})

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = publicKey.export({ type: 'spki', format: 'pem' })
const now = Math.floor(Date.now() / 1_000)
const withoutSignature = (changed: object) => `${encode({ ...header, ...changed })}.${encode(claims)}.`
const byRsa = () => {
  const input = `${encode({ ...header, alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }) })}.${encode(claims)}`
  return `${input}.${signWith('sha256', Buffer.from(input), privateKey).toString('base64url')}`
}

const FORGED: Record<string, string> = {
  'nothing at all': '',
  'no token': 'nonsense',
  'no algorithm': withoutSignature({ alg: 'none' }),
  'no algorithm, in capitals': withoutSignature({ alg: 'NONE' }),
  'no algorithm, its signature kept': good.replace(/^[^.]+/, encode({ ...header, alg: 'none' })),
  'no signature': withoutSignature({}),
  'another algorithm of the same key': forge({ header: { alg: 'HS512' }, hash: 'sha512' }),
  'an algorithm with a public key': byRsa(),
  'a public key as our secret': forge({ key: pem }),
  'a public key with white space as our secret': forge({ key: ` ${pem}` }),
  'the secret itself as key': forge({ key: secret }),
  'an empty key': forge({ key: '' }),
  'a key id that names a file': forge({ header: { kid: '../../../../dev/null' }, key: '' }),
  'a key id that asks the database': forge({ header: { kid: "x' union select 'secret" }, key: 'secret' }),
  'a key of its own': forge({
    header: { jwk: { kty: 'oct', k: Buffer.from('mine').toString('base64url') } },
    key: 'mine'
  }),
  'a key from elsewhere': forge({
    header: { jku: 'https://evil.example/keys', x5u: 'https://evil.example/x5u' },
    key: 'mine'
  }),
  'an extension that must be understood': forge({ header: { crit: ['b64'], b64: false } }),
  'another type': forge({ header: { typ: 'JWT' } }),
  'no type': forge({ header: { typ: undefined } }),
  'another issuer': forge({ claims: { iss: 'https://evil.example' } }),
  'no issuer': forge({ claims: { iss: undefined } }),
  'another audience': forge({ claims: { aud: 'http://127.0.0.1:3000/other' } }),
  'no audience': forge({ claims: { aud: undefined } }),
  'a time that is over': forge({ claims: { exp: now - 1 } }),
  'no end': forge({ claims: { exp: undefined } }),
  'an end that is no time': forge({ claims: { exp: 'never' } }),
  'a time to come': forge({ claims: { nbf: now + 600 } }),
  'no user': forge({ claims: { sub: undefined } }),
  'a user that is no id': forge({ claims: { sub: 'ada' } }),
  'no log-in': forge({ claims: { sid: undefined } }),
  'a list of scopes': forge({ claims: { scope: ['read', 'operate'] } }),
  'more after its end': `${good}.${good}`,
  'another claim under the signature': good.replace(/\.[^.]+\./, `.${encode({ ...claims, scope: 'operate' })}.`)
}

for (const [what, token] of Object.entries(FORGED)) {
  t.test(`C16 a token with ${what} is none`, (t) => {
    t.equal(tokens.read(token), undefined)
    t.end()
  })
}

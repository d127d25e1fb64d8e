/** Settings that are addresses of other servers. */
import { accessSync, constants } from 'node:fs'
import { isIP } from 'node:net'
import Type from 'typebox'
import Format from 'typebox/format'

Format.Set('postgres-url', (text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text))
Format.Set('redis-url', (text) => /^rediss?:\/\//.test(text) && URL.canParse(text) && isRedis(new URL(text)))
Format.Set('origin', isOrigin)
Format.Set('origins', (text) => text.split(',').every((origin) => isOrigin(origin.trim())))
Format.Set('proxies', (text) => text.split(',').every((proxy) => isProxy(proxy.trim())))

export const postgresAddress = (description: string) =>
  Type.String({
    format: 'postgres-url',
    form: 'an address such as postgres://user:password@host:5432/database',
    maxLength: 2000,
    description
  })

export const redisAddress = (description: string) =>
  Type.String({
    format: 'redis-url',
    form: 'an address such as redis://:password@host:6379/0',
    maxLength: 2000,
    description
  })

/** Where people reach this installation: scheme, host and port, as a browser names an origin. */
export const publicAddress = (description: string) =>
  Type.String({
    format: 'origin',
    form: 'an address without a path, such as https://beeline.example',
    maxLength: 300,
    description
  })

/** Several of these: pages of other sites. */
export const origins = (description: string) =>
  Type.String({
    format: 'origins',
    form: 'addresses without a path, such as https://app.example, separated by commas',
    maxLength: 2000,
    description
  })

export const proxies = (description: string) =>
  Type.String({
    format: 'proxies',
    form: 'addresses such as 10.0.0.1, networks such as 10.0.0.0/8, names of hosts, or loopback, linklocal, uniquelocal',
    maxLength: 500,
    description
  })

const isRedis = ({ hostname, pathname, searchParams }: URL) =>
  hostname !== '' && /^\/?\d{0,9}$/.test(pathname) && /^\d{0,9}$/.test(searchParams.get('db') ?? '')

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']

/** What is wrong with an address of Postgres though it can be read: its client would find out at each connection, and go on. */
export function findPostgresFault(address: string): string | undefined {
  const { searchParams } = new URL(address)
  const mode = searchParams.get('sslmode')
  if (mode !== null && !SSL_MODES.includes(mode))
    return `has an unknown sslmode: it must be one of ${SSL_MODES.join(', ')}`
  const missing = ['sslcert', 'sslkey', 'sslrootcert'].find((name) => !isReadable(searchParams.get(name)))
  if (missing) return `names a file as ${missing} that cannot be read`
  if (searchParams.get('uselibpqcompat') === 'true' && mode === 'verify-ca' && !searchParams.has('sslrootcert'))
    return 'needs sslrootcert for sslmode=verify-ca'
  return undefined
}

function isReadable(path: string | null): boolean {
  try {
    if (path) accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

function isProxy(text: string): boolean {
  // loopback, linklocal and uniquelocal look like names, too; a switch is none
  if (/^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*$/i.test(text)) return !/^(true|false|yes|no|on|off|all)$/i.test(text)
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  return family > 0 && Number(bits) <= (family === 4 ? 32 : 128)
}

/** Settings that are addresses of other servers. */
import { isIP } from 'node:net'
import Type from 'typebox'
import Format from 'typebox/format'

Format.Set('postgres-url', (text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text))
Format.Set('redis-url', (text) => /^rediss?:\/\//.test(text) && URL.canParse(text))
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

/** As Fastify's `trustProxy` takes them. */
export const proxies = (description: string) =>
  Type.String({
    format: 'proxies',
    form: 'addresses such as 10.0.0.1, networks such as 10.0.0.0/8, or loopback, linklocal, uniquelocal',
    maxLength: 500,
    description
  })

function isProxy(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  return family > 0 && Number(bits) <= (family === 4 ? 32 : 128)
}

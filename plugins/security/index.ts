/** What every answer and every request from outside is held to: headers, origins; and whose limits a request counts against. */
import { createHmac } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import ipaddr from 'ipaddr.js'
import { addOrigins } from './origins.js'

export interface SecurityOptions {
  /** Key under which addresses are hashed before they are kept. */
  secret: string
  /** Origins whose pages may call from a browser, as `Origin` names them. Default none. */
  corsOrigins?: string[]
}

declare module 'fastify' {
  interface FastifyInstance {
    /** A keyed hash of the address that a request comes from. */
    addressOf: (request: FastifyRequest) => string
    /** Whose limits a request counts against: its user's, or those of its address. */
    submitterOf: (request: Pick<FastifyRequest, 'ip' | 'principal'>) => string
  }
  interface FastifyReply {
    /** Says that this answer is the same for all: a cache in front of the gateways may keep it for a second. */
    shared: () => FastifyReply
  }
}

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join(';')

/**
 * What every answer carries unless its route says otherwise (OWASP HTTP Headers Cheat Sheet). Written once: @fastify/helmet works
 * them out again for each request, which cost a tenth of it. Strict-Transport-Security is said by whoever terminates TLS.
 */
export const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

/** Hashes remembered, so that a busy address costs one. */
const MOST_HASHES = 10_000

async function security(app: FastifyInstance, { secret, corsOrigins = [] }: SecurityOptions) {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS)
    done()
  })
  addOrigins(app, corsOrigins)
  app.decorateReply('shared', function (this: FastifyReply) {
    // what somebody known is shown is theirs, and what another site's page is told is that site's
    const { principal, headers } = this.request
    return principal || headers.origin ? this : this.header('cache-control', 'public, max-age=0, s-maxage=1')
  })

  const addressOf = createAddressOf(secret)
  app.decorate('addressOf', addressOf)
  app.decorate('submitterOf', ({ ip, principal }) =>
    principal?.userId ? `user:${principal.userId}` : addressOf({ ip })
  )
}

function createAddressOf(secret: string) {
  const hashes = new Map<string, string>()
  return ({ ip }: Pick<FastifyRequest, 'ip'>) => {
    const known = hashes.get(ip)
    if (known) return known
    const hash = `ip:${createHmac('sha256', secret).update(networkOf(ip)).digest('base64url').slice(0, 22)}`
    if (hashes.size >= MOST_HASHES) hashes.clear()
    hashes.set(ip, hash)
    return hash
  }
}

/** An IPv6 customer has a network of /64 to choose addresses from: it counts as one. */
function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip
  const address = ipaddr.process(ip) // an IPv4 address in IPv6 clothes is that IPv4 address
  return address instanceof ipaddr.IPv6 ? address.parts.slice(0, 4).join(':') : address.toString()
}

export default fp(security, { name: 'security', fastify: '5.x' })

/** Who may be called: public addresses on the usual ports, and what the operator allows. */
import ipaddr from 'ipaddr.js'
import { type AllowedTarget, readAllowed } from '#schema/allowed-targets'
import { permanent } from './failures.js'

const PUBLIC_IPV6 = ipaddr.parseCIDR('2000::/3')
/** Public by its number, but answered by the cloud's own machine. */
const CLOUD_ADDRESSES = new Set(['168.63.129.16'])

/** Whether an address belongs to the public internet; anything that cannot be read does not. */
function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address) || CLOUD_ADDRESSES.has(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  // the library calls unicast what no table names; of IPv6 only this eighth has been given out
  return parsed.kind() === 'ipv4' || parsed.match(PUBLIC_IPV6)
}

export interface TargetOptions {
  /** Entries as `readAllowed` takes them. */
  allow?: string
  /** Ports of public addresses. */
  ports?: number[]
}

export type Targets = ReturnType<typeof createTargets>

export function createTargets({ allow = '', ports = [80, 443] }: TargetOptions) {
  const allowed = readAllowed(allow)

  const onPort = ({ port }: AllowedTarget, asked: number) => (port ? port === asked : ports.includes(asked))
  const byName = (host: string) => allowed.filter(({ name }) => name === host)
  const holds = ({ network }: AllowedTarget, address: string) => {
    if (!network || !ipaddr.isValid(address)) return false
    const [parsed, range] = [ipaddr.parse(address), ipaddr.parseCIDR(network)]
    return parsed.kind() === range[0].kind() && parsed.match(range)
  }

  return {
    /** Whether the operator named this host, whose address may then be any. */
    isNamed: (host: string) => byName(host).length > 0,

    /** @throws permanent `ADDRESS_FORBIDDEN` unless each of the addresses may be called on that port for that host */
    check(host: string, port: number, addresses: string[]): void {
      const named = byName(host).some((entry) => onPort(entry, port))
      const fits = (address: string) =>
        named ||
        (ports.includes(port) && isPublic(address)) ||
        allowed.some((entry) => holds(entry, address) && onPort(entry, port))
      if (!addresses.length || !addresses.every(fits)) throw forbidden()
    }
  }
}

const forbidden = () => permanent('ADDRESS_FORBIDDEN', 'this address may not be called')

/**
 * Reads an address to call.
 * @throws permanent `BAD_URL`: not http or https, with a user's name, or not an address at all
 */
export function readTarget(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw permanent('BAD_URL', 'this is no address of http or https')
  if (url.username || url.password) throw permanent('BAD_URL', 'an address must not hold a name or password')
  url.hash = ''
  return url
}

/** A host as entries and look-ups know it: no brackets, no dot at the end. */
export const hostOf = (hostname: string) => hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
export const portOf = ({ port, protocol }: { port: string; protocol: string }) =>
  Number(port) || (protocol === 'https:' ? 443 : 80)

/** Whose word counts on where a request comes from. */
import { Resolver } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface TrustedProxies {
  /** As Fastify's `trustProxy` takes it. */
  trusts: (address: string) => boolean
  /** Resolves when the names were looked up once, or soon after. */
  known: Promise<void>
  stop(): void
}

const NETWORKS: Record<string, string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}
/** A proxy that was started again may have another address. */
const LOOK_MS = 2_000
/** Time that a start waits for the names: a proxy may come after those that it stands before. */
const START_MS = 500

/**
 * @param list addresses, networks and names of hosts, which are looked up in DNS again and again
 * @param resolve answers the addresses of a name
 */
export function trustProxies(list: string, resolve = lookUp()): TrustedProxies {
  const parts = list.split(',').flatMap((part) => NETWORKS[part.trim()] ?? [part.trim()])
  const names = parts.filter((part) => !part.includes('/') && isIP(part) === 0)
  const fixed = new BlockList()
  for (const part of parts.filter((part) => !names.includes(part))) {
    const [address = '', bits] = part.split('/')
    if (bits === undefined) fixed.addAddress(address, familyOf(address))
    else fixed.addSubnet(address, Number(bits), familyOf(address))
  }

  const found = new Map<string, string[]>()
  const stopping = new AbortController()
  const look = () =>
    Promise.all(
      names.map(async (name) => {
        // who cannot be found now keeps the address that he had; who was never found is nobody
        const addresses = await resolve(name).catch(() => undefined)
        if (addresses?.length) found.set(name, addresses)
      })
    )
  const lookAgain = async () => {
    while (!stopping.signal.aborted) {
      await sleep(LOOK_MS, undefined, { ref: false, signal: stopping.signal }).catch(() => {})
      await look()
    }
  }
  const first = look()
  if (names.length > 0) first.then(lookAgain)
  return {
    trusts: (address) => {
      const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
      return fixed.check(plain, familyOf(plain)) || [...found.values()].some((addresses) => addresses.includes(plain))
    },
    known: Promise.race([first, sleep(START_MS)]).then(() => {}), // what a hook answers is taken for an error
    stop: () => stopping.abort()
  }
}

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** Not the system's way, whose few threads a name server that is silent would hold from everybody else. */
function lookUp() {
  const resolver = new Resolver({ timeout: 1_000, tries: 1 })
  return async (name: string) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }
}

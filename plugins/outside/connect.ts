/**
 * Connections that can only lead where they may. A name is looked up once, each of its addresses is checked, and the socket
 * goes to one of these; where it arrived is checked again. So neither a redirect nor a name that changes leads elsewhere.
 */
import { lookup as lookupSystem, Resolver } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { untilAborted } from './aborted.js'
import { toNameError } from './failures.js'
import { hostOf, portOf, type Targets } from './targets.js'

/** All addresses of a name. */
export type Resolve = (host: string) => Promise<string[]>

export interface ConnectOptions {
  targets: Targets
  resolve?: Resolve
  /** Makes sockets, as undici does. */
  build?: typeof buildConnector
}

/** Time to look a name up, and again to connect, in ms. */
const CONNECT_MS = 5_000

export function createConnect({
  targets,
  resolve = resolveWith(targets),
  build = buildConnector
}: ConnectOptions): buildConnector.connector {
  return (options, callback) => {
    const host = hostOf(options.hostname)
    const port = portOf(options)

    const look = async (): Promise<string[]> => {
      const addresses = isIP(host)
        ? [host]
        : await untilAborted(resolve(host), AbortSignal.timeout(CONNECT_MS)).catch((error) => {
            throw toNameError(error)
          })
      targets.check(host, port, addresses)
      return addresses
    }

    const connect = (addresses: string[]) => {
      const found = addresses.map((address) => ({ address, family: isIP(address) }))
      const lookup: LookupFunction = (_name, { all }, answer) =>
        all ? answer(null, found) : answer(null, found[0]?.address ?? '', found[0]?.family)
      build({ lookup, autoSelectFamily: true, timeout: CONNECT_MS, allowH2: false })(options, (...[error, socket]) => {
        if (error) return callback(error, null)
        try {
          targets.check(host, port, [socket.remoteAddress ?? ''])
          callback(null, socket)
        } catch (refused) {
          socket.destroy()
          callback(refused as Error, null) // check throws nothing else
        }
      })
    }

    look().then(connect, (error) => callback(error, null))
  }
}

/**
 * Names of the internet are asked of the name server, without the threads that the rest of the process needs for its files;
 * names that the operator allows may also stand in the machine's own table.
 */
function resolveWith(targets: Targets): Resolve {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  return async (host) => {
    if (targets.isNamed(host)) return (await lookupSystem(host, { all: true })).map(({ address }) => address)
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (!found.length && v4.status === 'rejected') throw v4.reason
    return found
  }
}

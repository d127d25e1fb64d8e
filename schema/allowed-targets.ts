/** The operator's list of hosts that may be called though they are not public, or on other ports. */
import { isIP } from 'node:net'
import Type from 'typebox'
import Format from 'typebox/format'

Format.Set('targets', (text) => text.split(',').every((entry) => readEntry(entry) !== undefined))

/** The list as a setting. */
export const targets = (description: string) =>
  Type.String({
    format: 'targets',
    form: 'entries such as intranet.example, intranet.example:8080, 10.0.0.0/8, 10.1.2.3:8080 or [fd00::1]:8080',
    maxLength: 2_000,
    description
  })

/** A name or a network, on one port or, without it, on the usual ones. */
export interface AllowedTarget {
  name?: string
  /** An address with the length of its prefix. */
  network?: string
  port?: number
}

/** Reads what `targets` accepts. @throws Error naming an entry that cannot be read */
export function readAllowed(text: string): AllowedTarget[] {
  return text
    .split(',')
    .filter((entry) => entry.trim())
    .map((entry) => {
      const target = readEntry(entry)
      if (!target) throw new Error(`${entry.trim()} is neither a host, an address nor a network`)
      return target
    })
}

const ENTRY = /^(?:\[([^\]/]+)\](?:\/(\d{1,3}))?|([^:/[\]]+)(?:\/(\d{1,3}))?)(?::(\d{1,5}))?$/
const BARE_IPV6 = /^([0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*)(?:\/(\d{1,3}))?$/i
const HOST_NAME = /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/

function readEntry(entry: string): AllowedTarget | undefined {
  const text = entry.trim().toLowerCase()
  const [, v6, v6Bits, host, bits, digits] = BARE_IPV6.exec(text) ?? ENTRY.exec(text) ?? []
  const port = digits === undefined ? {} : { port: Number(digits) }
  if (port.port === 0 || (port.port ?? 0) > 65_535) return undefined
  const address = v6 ?? host ?? ''
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const length = Number(v6Bits ?? bits ?? most)
  if (family && length <= most) return { network: `${address}/${length}`, ...port }
  if (family || bits !== undefined || v6 !== undefined || /^[\d.]+$/.test(address)) return undefined
  return HOST_NAME.test(address) ? { name: address, ...port } : undefined
}

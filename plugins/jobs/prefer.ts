/** The header `Prefer` (RFC 7240), as far as it says how long to wait. What cannot be read is passed over, as the RFC asks. */
import { DEFAULT_WAIT_S, MOST_WAIT_S } from './contract/submit.js'

export interface Preference {
  /** In seconds. */
  waitS: number
  /** `Preference-Applied`: what was followed, if anything was asked. */
  applied: string | undefined
}

const NONE: Preference = { waitS: DEFAULT_WAIT_S, applied: undefined }

export function readPreference(header: string | string[] | undefined): Preference {
  if (header === undefined) return NONE
  const asked = new Map<string, string>()
  for (const part of [header].flat().join().split(',')) {
    const [name = '', value = ''] = (part.split(';')[0] ?? '').split('=').map((text) => text.trim())
    // the first counts
    if (name && !asked.has(name.toLowerCase())) asked.set(name.toLowerCase(), value.replace(/^"(.*)"$/, '$1'))
  }
  const wait = asked.get('wait')
  if (wait !== undefined && /^\d{1,9}$/.test(wait)) {
    const waitS = Math.min(Number(wait), MOST_WAIT_S)
    return { waitS, applied: `wait=${waitS}` }
  }
  return asked.has('respond-async') ? { waitS: 0, applied: 'respond-async' } : NONE
}

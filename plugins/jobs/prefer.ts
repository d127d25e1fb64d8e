/** The header `Prefer` (RFC 7240), as far as it says how long to wait. What cannot be read is passed over, as the RFC asks. */
import { DEFAULT_WAIT_S, MOST_WAIT_S } from './contract/submit.js'

export interface Preference {
  /** In seconds. */
  waitS: number
  /** `Preference-Applied`: what was followed, if anything was asked. */
  applied: string | undefined
}

/** One preference up to the comma behind it: its name, its value; quoted texts may hold commas. */
const PREFERENCE = /([^\s,;="]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?(?:[^,"]|"(?:[^"\\]|\\.)*")*/g

const NONE: Preference = { waitS: DEFAULT_WAIT_S, applied: undefined }

export function readPreference(header: string | string[] | undefined): Preference {
  if (header === undefined) return NONE
  const asked = new Map<string, string>()
  for (const [, name = '', value = ''] of [header].flat().join().matchAll(PREFERENCE)) {
    // the first counts
    if (!asked.has(name.toLowerCase())) asked.set(name.toLowerCase(), value.replace(/^"(.*)"$/, '$1'))
  }
  const wait = asked.get('wait')
  if (wait !== undefined && /^\d{1,9}$/.test(wait)) {
    const waitS = Math.min(Number(wait), MOST_WAIT_S)
    return { waitS, applied: `wait=${waitS}` }
  }
  return asked.has('respond-async') ? { waitS: 0, applied: 'respond-async' } : NONE
}

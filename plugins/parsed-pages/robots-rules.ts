/** What a robots.txt says about an address. */
import { createRequire } from 'node:module'

export interface RobotsTask {
  /** The text of the robots.txt. */
  rules: string
  /** Where the robots.txt is. */
  place: string
  url: string
  /** The name by which we are known there. */
  agent: string
}

// the library's types describe an ESM default export that its CommonJS module does not have
const parse: typeof import('robots-parser').default = createRequire(import.meta.url)('robots-parser')

/** What the rules do not mention is allowed. */
export const isAllowed = ({ rules, place, url, agent }: RobotsTask): boolean =>
  parse(place, rules).isAllowed(url, agent) !== false

/** Asks each site's robots.txt before a page is fetched (RFC 9309), and remembers it for some minutes. */
import type { FastifyInstance } from 'fastify'
import { pageFault } from './page-fault.js'
import type { Parser } from './parser.js'

export interface RobotsOptions {
  request: FastifyInstance['outside']['request']
  parser: Parser
  agent: string
  /** Time that an answer is used, in ms. Default 600,000. */
  keepMs?: number
  /** Sites that are remembered. Default 500. */
  mostSites?: number
  /** A monotonic clock, in ms. */
  now?: () => number
}

/** Crawlers must read this much; what follows is ignored. */
const MOST_BYTES = 512_000
const TIMEOUT_MS = 5_000

export function createRobots(options: RobotsOptions) {
  const { request, parser, agent, keepMs = 600_000, mostSites = 500, now = () => performance.now() } = options
  const sites = new Map<string, { rules: Promise<string>; until: number }>()

  /** The rules of a site; none where it says that there are none. */
  async function fetchRules(place: string): Promise<string> {
    const answer = await request(place, { maxBytes: MOST_BYTES, cut: true, timeoutMs: TIMEOUT_MS, retries: 1 }).catch(
      (error) => {
        if (error.code === 'TOO_MANY_REDIRECTS') return undefined
        throw error
      }
    )
    return answer && answer.status < 300 ? answer.body.toString() : ''
  }

  function rulesOf(origin: string): Promise<string> {
    const known = sites.get(origin)
    if (known && known.until > now()) return known.rules
    const rules = fetchRules(`${origin}/robots.txt`)
    sites.delete(origin)
    sites.set(origin, { rules, until: now() + keepMs })
    const [oldest] = sites.keys()
    if (sites.size > mostSites && oldest !== undefined) sites.delete(oldest)
    // a failure is not remembered: who comes later asks again
    rules.catch(() => sites.delete(origin))
    return rules
  }

  /** @throws permanent fault `ROBOTS_DISALLOWED`; what the call to the site throws */
  return async (url: URL, signal?: AbortSignal): Promise<void> => {
    const rules = await rulesOf(url.origin)
    if (!rules.trim()) return
    const task = { rules, place: `${url.origin}/robots.txt`, url: url.href, agent }
    if (await parser.isAllowed(task, signal)) return
    throw pageFault('ROBOTS_DISALLOWED', 'the site asks programs not to read this page', { passing: false })
  }
}

/** Pages of the web: fetched with the site's consent, and taken apart. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { PageSource, ParsedPage } from '#schema/parsed-page'
import { decodePage } from './charset.js'
import { pageFault } from './page-fault.js'
import { createParser, type ParserOptions } from './parser.js'
import { createRobots } from './robots.js'

export interface ParsedPagesOptions {
  /** By which name sites may forbid us, in robots.txt. Default `Beeline`. */
  agent?: string
  parser?: ParserOptions
}

declare module 'fastify' {
  interface FastifyInstance {
    parsedPages: {
      /**
       * Fetches a page, or takes a document, and tells what is in it.
       * @throws errors with a `code` and whether the fault is `passing`: those of `outside.request` and `PAGE_NOT_FOUND`,
       *   `PAGE_REFUSED`, `NOT_HTML`, `ROBOTS_DISALLOWED`, `PAGE_TOO_COMPLEX`; the signal's reason
       */
      parse: (source: PageSource, signal?: AbortSignal) => Promise<ParsedPage>
    }
  }
}

const HTML = /^(text\/html|application\/xhtml\+xml)\s*(;|$)/i
/** Time for a whole page, robots.txt and redirects included, in ms. */
const TIMEOUT_MS = 15_000

async function parsedPages(app: FastifyInstance, { agent = 'Beeline', parser: limits }: ParsedPagesOptions) {
  const parser = createParser(limits)
  const { request } = app.outside
  const askRobots = createRobots({ request, parser, agent })
  app.addHook('onClose', () => parser.close())

  async function fetchPage(url: string, signal?: AbortSignal): Promise<ParsedPage> {
    const answer = await request(url, {
      headers: { accept: 'text/html, application/xhtml+xml' },
      timeoutMs: TIMEOUT_MS,
      allow: (hop) => askRobots(hop, signal),
      inspect: ({ headers }) => refuseOthers(headers['content-type']),
      ...(signal && { signal })
    })
    refuseStatus(answer.status)
    const contentType = answer.headers['content-type'] ?? ''
    const { text, charset } = decodePage(answer.body, contentType)
    const final = answer.url.href
    const content = await parser.extract({ html: text, base: final, xhtml: /xhtml/i.test(contentType) }, signal)
    return { url, final_url: final, status: answer.status, charset, fetched_at: now(), ...content }
  }

  async function readDocument(html: string, base: string | undefined, signal?: AbortSignal): Promise<ParsedPage> {
    const content = await parser.extract({ html, ...(base !== undefined && { base }) }, signal)
    return { url: null, final_url: base ?? null, status: null, charset: 'utf-8', fetched_at: now(), ...content }
  }

  app.decorate('parsedPages', {
    parse: (source, signal) =>
      'url' in source ? fetchPage(source.url, signal) : readDocument(source.document, source.base_url, signal)
  })
}

const now = () => new Date().toISOString()

function refuseOthers(contentType: string | undefined): void {
  if (!HTML.test(contentType?.trim() ?? ''))
    throw pageFault('NOT_HTML', 'the answer is no page of HTML', { passing: false })
}

function refuseStatus(status: number): void {
  if (status >= 200 && status < 300) return
  if (status === 404 || status === 410)
    throw pageFault('PAGE_NOT_FOUND', `the other side answered ${status}`, { passing: false })
  throw pageFault('PAGE_REFUSED', `the other side answered ${status}`, { passing: false })
}

export default fp(parsedPages, { name: 'parsed-pages', fastify: '5.x', decorators: { fastify: ['outside'] } })

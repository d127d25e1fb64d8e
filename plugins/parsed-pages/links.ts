/** Which of a page's links are told, and how. */
import { MOST, type PageContent } from '#schema/parsed-page'
import { clean, type TextCollector } from './text.js'

export interface FoundLink {
  own: { href: string; rel: string | null }
  text: TextCollector
}

/** Those that lead to another place of the web, until there are too many. */
export function tellLinks(
  found: FoundLink[],
  from: string | undefined,
  fits: (entry: unknown) => boolean
): { links: PageContent['links']; more: boolean } {
  const links: PageContent['links'] = []
  for (const { own, text } of found) {
    const url = own.href.trim().startsWith('#') ? undefined : toWebAddress(own.href, from)
    if (!url) continue
    const rel = own.rel === null ? null : clean(own.rel, MOST.rel) || null
    const entry = { url, text: text.end().text, rel }
    if (links.length >= MOST.links || !fits(entry)) return { links, more: true }
    links.push(entry)
  }
  return { links, more: false }
}

/** An absolute address of http or https that is not too long. */
export function toWebAddress(href: string | undefined, base: string | undefined): string | undefined {
  if (href === undefined || href.length > 4 * MOST.address || !URL.canParse(href, base)) return undefined
  const { protocol, href: absolute } = new URL(href, base)
  return /^https?:$/.test(protocol) && absolute.length <= MOST.address ? absolute : undefined
}

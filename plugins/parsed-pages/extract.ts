/** Takes a document of HTML apart: a pure function from text to what is in it. */
import { MOST, type PageContent } from '#schema/parsed-page'
import { type FoundLink, tellLinks, toWebAddress } from './links.js'
import { collectStructured } from './structured.js'
import { clean, collectText, createBudget, cut, type TextCollector } from './text.js'
import { type Element, textIn, walkDocument } from './walk.js'

export interface ExtractOptions {
  html: string
  /** Where the document is from; without it only absolute links can be told. */
  base?: string | undefined
  xhtml?: boolean
}

/** Elements whose text nobody reads on the page. */
const SILENT = new Set([
  'script',
  'style',
  'template',
  'noscript',
  'title',
  'svg',
  'math',
  'iframe',
  'object',
  'select',
  'textarea'
])
/** Elements that stand within a line: their ends part no words. */
const INLINE = new Set(
  'a abbr b bdi bdo cite code data del dfn em font i ins kbd mark q s samp small span strong sub sup time u var wbr'.split(
    ' '
  )
)
const LANGUAGE = /^[a-z]{1,8}([-_][a-z0-9]{1,8}){0,6}$/i
const FOR_MACHINES = /^(og|article|book|profile|music|video|product|twitter):/i

interface Part<T> {
  element: Element
  own: T
  text: TextCollector
}

export function extract({ html, base, xhtml = false }: ExtractOptions): PageContent {
  const meta = new Map<string, string>()
  const keep = (name: string, value: string | undefined) => {
    if (value?.trim() && !meta.has(name)) meta.set(name, value)
  }
  const structured = collectStructured()
  const excerpt = collectText(MOST.excerpt)
  const headings: Part<number>[] = []
  const links: Part<FoundLink['own']>[] = []
  let [heading, link]: [Part<number> | undefined, (typeof links)[number] | undefined] = [undefined, undefined]
  const counts = { headings: 0, links: 0 }
  const part = <T>(element: Element, own: T, most: number): Part<T> => ({ element, own, text: collectText(most) })
  const write = (text: string) => {
    for (const collector of [excerpt, heading?.text, link?.text]) collector?.add(text)
  }

  walkDocument(html.toWellFormed(), xhtml, {
    text: write,
    enter(element) {
      const { name, attribs } = element
      if (!INLINE.has(name)) write(' ')
      if (name === 'html') keep('language', attribs.lang ?? attribs['xml:lang'])
      if (name === 'title') keep('title', textIn(element))
      if (name === 'base') keep('base', attribs.href)
      if (name === 'meta') readMeta(attribs)
      if (name === 'link' && /(^|\s)canonical(\s|$)/i.test(attribs.rel ?? '')) keep('canonical', attribs.href)
      if (name === 'script' && /^application\/ld\+json\s*(;|$)/i.test(attribs.type?.trim() ?? ''))
        structured.addJsonLd(textIn(element))
      if (SILENT.has(name) || attribs.hidden !== undefined) return false
      if (/^h[1-6]$/.test(name)) {
        counts.headings += 1
        heading = part(element, Number(name[1]), MOST.headingText)
        if (headings.length < MOST.headings) headings.push(heading)
      }
      if ((name === 'a' || name === 'area') && attribs.href !== undefined) {
        counts.links += 1
        // a link in a link ends the outer one, as in browsers
        link = part(element, { href: attribs.href, rel: attribs.rel ?? null }, MOST.linkText)
        if (name === 'area') link.text.add(attribs.alt ?? '')
        links.push(link)
      }
      if (name === 'img') link?.text.add(attribs.alt ?? '')
      return true
    },
    leave(element) {
      if (heading?.element === element) heading = undefined
      if (link?.element === element) link = undefined
      if (!INLINE.has(element.name)) write(' ')
    }
  })

  function readMeta(attribs: Element['attribs']) {
    const name = (attribs.property ?? attribs.name ?? '').trim().toLowerCase()
    const { content = '' } = attribs
    if (name === 'description' || name === 'og:description' || name === 'og:title') keep(name, content)
    if (FOR_MACHINES.test(name)) structured.addOpenGraph(name, content)
    if (attribs['http-equiv']?.trim().toLowerCase() === 'content-language') keep('content-language', content)
  }

  const from = toWebAddress(meta.get('base'), base) ?? base
  const fitsHeadings = createBudget(MOST.headingBytes)
  const fitsLinks = createBudget(MOST.linkBytes)
  const toldHeadings = headings
    .map(({ own: level, text }) => ({ level, text: text.end().text }))
    .filter((entry) => fitsHeadings(entry))
  const told = tellLinks(links, from, fitsLinks)
  const { text, more } = excerpt.end()
  const machines = structured.end()
  const language = (meta.get('language') ?? meta.get('content-language') ?? '').trim()
  const orNull = (value: string | undefined, most: number) => (value === undefined ? null : clean(value, most) || null)
  return {
    title: orNull(meta.get('title') ?? meta.get('og:title'), MOST.title),
    description: orNull(meta.get('description') ?? meta.get('og:description'), MOST.description),
    language: LANGUAGE.test(language) ? cut(language, MOST.language) : null,
    canonical: toWebAddress(meta.get('canonical'), from) ?? null,
    headings: toldHeadings,
    links: told.links,
    excerpt: text,
    structured: machines.structured,
    counts: {
      characters: html.length,
      ...counts,
      json_ld: machines.jsonLd,
      open_graph: machines.openGraph
    },
    truncated: {
      headings: toldHeadings.length < counts.headings,
      links: told.more,
      excerpt: more,
      structured: machines.more
    }
  }
}

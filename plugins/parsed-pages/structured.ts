/** What a page says about itself for machines: JSON-LD and Open Graph, each within its bounds. */
import { MOST, type PageContent } from '#schema/parsed-page'
import { clean, createBudget } from './text.js'

type Structured = PageContent['structured']
type Value = string | number | boolean | null | Value[] | { [name: string]: Value }

const DEEPEST = 12
const MOST_ENTRIES = 100
const LONGEST_TEXT = 2_000
const LONGEST_NAME = 100

export interface StructuredCollector {
  /** The text of a script of type application/ld+json. */
  addJsonLd: (json: string) => void
  addOpenGraph: (property: string, content: string) => void
  end: () => { structured: Structured; jsonLd: number; openGraph: number; more: boolean }
}

export function collectStructured(): StructuredCollector {
  const jsonLd: Structured['json_ld'] = []
  const openGraph: Structured['open_graph'] = []
  const found = { jsonLd: 0, openGraph: 0 }
  const fitsJsonLd = createBudget(MOST.jsonLdBytes)
  const fitsOpenGraph = createBudget(MOST.openGraphBytes)
  let more = false
  const shorten = () => {
    more = true
  }

  function addItem(item: unknown) {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return
    found.jsonLd += 1
    if (jsonLd.length >= MOST.jsonLd) return shorten()
    const kept = bound(item, DEEPEST, shorten)
    if (typeof kept === 'object' && kept !== null && !Array.isArray(kept) && fitsJsonLd(kept)) jsonLd.push(kept)
    else shorten()
  }

  return {
    addJsonLd(json) {
      const value = parse(json)
      if (Array.isArray(value)) value.forEach(addItem)
      else addItem(value)
    },
    addOpenGraph(property, content) {
      found.openGraph += 1
      const entry = { property: clean(property, MOST.openGraphName), content: clean(content, MOST.openGraphText) }
      if (openGraph.length < MOST.openGraph && fitsOpenGraph(entry)) openGraph.push(entry)
      else shorten()
    },
    end: () => ({ structured: { json_ld: jsonLd, open_graph: openGraph }, ...found, more })
  }
}

/** Many pages carry JSON that is none. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** A copy that Postgres can keep, and nobody's stack is too small for. */
function bound(value: unknown, depth: number, shorten: () => void): Value {
  if (typeof value === 'string') {
    if (value.length > LONGEST_TEXT) shorten()
    return clean(value, LONGEST_TEXT)
  }
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value !== 'object' || value === null) return null
  const entries = Object.entries(value)
  if (depth === 0 || entries.length > MOST_ENTRIES) shorten()
  if (depth === 0) return null
  const kept = entries
    .slice(0, MOST_ENTRIES)
    .map(([name, child]): [string, Value] => [clean(name, LONGEST_NAME), bound(child, depth - 1, shorten)])
  return Array.isArray(value) ? kept.map(([, child]) => child) : Object.fromEntries(kept)
}

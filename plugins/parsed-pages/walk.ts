/** A document as cheerio reads it, walked without recursion: pages nest deeper than a stack. */
import { load } from 'cheerio/slim'
import type { ChildNode, Element, ParentNode } from 'domhandler'

export type { Element }

export interface Visitor {
  /** Answers whether to go on inside. */
  enter: (element: Element) => boolean
  leave: (element: Element) => void
  text: (text: string) => void
}

/** @param xhtml whether `<div/>` closes itself */
export function walkDocument(html: string, xhtml: boolean, visitor: Visitor): void {
  const [root] = load(html, { xml: { xmlMode: false, decodeEntities: true, recognizeSelfClosing: xhtml } }).root()
  let node: ChildNode | null = root?.children[0] ?? null
  while (node) {
    let inside: ChildNode | null = null
    if (node.type === 'text') visitor.text(node.data)
    else if (isElement(node) && visitor.enter(node)) inside = node.children[0] ?? null
    node = inside ?? after(node, visitor)
  }
}

/** The next node in the document's order that is not inside this one. */
function after(node: ChildNode, { leave }: Visitor): ChildNode | null {
  for (let at: ChildNode | null = node; at; at = parentOf(at)) {
    if (isElement(at)) leave(at)
    if (at.next) return at.next
  }
  return null
}

const isElement = (node: { type: string }): node is Element =>
  node.type === 'tag' || node.type === 'script' || node.type === 'style'

const parentOf = ({ parent }: { parent: ParentNode | null }): Element | null =>
  parent && isElement(parent) ? parent : null

/** All text inside a script or title. */
export const textIn = ({ children }: Element): string =>
  children.map((child) => (child.type === 'text' ? child.data : '')).join('')

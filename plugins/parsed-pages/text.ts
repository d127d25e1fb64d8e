/** Texts as they are kept: one line, no control characters, no half characters, never too long. */

const SPACES = /[\s\p{Cc}]+/gu

export const clean = (text: string, most: number): string => cut(text.toWellFormed().replace(SPACES, ' ').trim(), most)

/** The first so many UTF-16 units, without half a pair at the end. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text
  const last = text.charCodeAt(most - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? most - 1 : most)
}

export interface TextCollector {
  add: (text: string) => void
  /** What was collected, and whether there was more. */
  end: () => { text: string; more: boolean }
}

/** Gathers a text from pieces; what is too much costs no memory. */
export function collectText(most: number): TextCollector {
  let text = ''
  let more = false
  return {
    add(piece) {
      if (more) return
      const line = piece.replace(SPACES, ' ')
      const joined = text + (text.endsWith(' ') || !text ? line.trimStart() : line)
      more = joined.trimEnd().length > most
      text = joined.slice(0, most + 1)
    },
    end: () => ({ text: clean(text, most), more })
  }
}

/** Counts the bytes of entries as JSON, and says which still fit. */
export function createBudget(bytes: number): (entry: unknown) => boolean {
  let left = bytes
  return (entry) => {
    left -= Buffer.byteLength(JSON.stringify(entry)) + 1
    return left >= 0
  }
}

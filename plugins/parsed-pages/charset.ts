/** Bytes of a page as text: by byte order mark, the header's charset, the page's own word, else by what the bytes look like. */
import { isUtf8 } from 'node:buffer'

export interface Decoded {
  text: string
  /** By its name in the Encoding Standard. */
  charset: string
}

/** Where a page must name its encoding, by the HTML standard; pages that start with a long comment get some more. */
const HEAD_BYTES = 4_096

export function decodePage(bytes: Uint8Array, contentType: string): Decoded {
  const named =
    markOf(bytes) ?? charsetOf(/;\s*charset\s*=\s*["']?([^"';\s]+)/i.exec(contentType)?.[1]) ?? findMeta(bytes)
  const charset = named ?? (isUtf8(bytes) ? 'utf-8' : 'windows-1252')
  return { text: decode(bytes, charset), charset }
}

function markOf([a, b, c]: Uint8Array): string | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  return a === 0xfe && b === 0xff ? 'utf-16be' : undefined
}

/** The standard name of a label; undefined for one that nobody knows, or that must not be used. */
function charsetOf(label = ''): string | undefined {
  try {
    return new TextDecoder(label.trim().toLowerCase()).encoding
  } catch {
    return undefined
  }
}

function findMeta(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES))
    .toString('latin1')
    .replace(/<!--[\s\S]*?-->/g, '')
  for (const [tag] of head.matchAll(/<meta\s[^>]*>/gi)) {
    const charset = charsetOf(/charset\s*=\s*["']?([^"'\s;/>]+)/i.exec(tag)?.[1])
    // bytes that could be read so far are no UTF-16, whatever they say
    if (charset) return charset.startsWith('utf-16') ? 'utf-8' : charset
  }
  return undefined
}

/** What windows-1252 has in the places 0x80 to 0x9f. Some versions of Node decode these as Latin-1. */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

function decode(bytes: Uint8Array, charset: string): string {
  if (charset !== 'windows-1252') return new TextDecoder(charset).decode(bytes)
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (found) => WINDOWS_1252[found.charCodeAt(0) - 0x80] ?? found)
}

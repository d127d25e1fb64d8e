/** The README taken apart: its code blocks, sections and links. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../../..')

export interface CodeBlock {
  language: string
  /** Words after the language, as in `ts file=schema/forms/guest-book.ts`. */
  marks: Record<string, string>
  code: string
}

export const readReadme = () => readFile(join(ROOT, 'README.md'), 'utf8')

export function findCodeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^```(\w+) ?([^\n]*)\n(.*?)^```$/gms)].map(
    ([, language = '', words = '', code = '']) => ({
      language,
      marks: Object.fromEntries(words.split(' ').map((word) => word.split('=', 2))),
      code
    })
  )
}

/** What stands below a heading, up to the next of its level. */
export function findSection(markdown: string, heading: string): string {
  const [, after = ''] = markdown.split(`\n## ${heading}\n`)
  return after.split(/^## /m)[0] ?? ''
}

/** Links to files of the project. */
export function findFileLinks(markdown: string): string[] {
  return [...markdown.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => target)
}

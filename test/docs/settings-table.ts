/** The README's table of settings, made from schema/config.ts and aliases.ts. `node build/test/docs/settings-table.js` writes it. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ALIASES } from '#schema/aliases'
import { Config, describeSetting } from '#schema/config'

export const README = join(import.meta.dirname, '../../../README.md')

const SECTION = /(<!-- settings:.*?-->\n)(.*?)(<!-- \/settings -->)/s

/** The table as Markdown, and the other names of settings below it. */
export function settingsTable(): string {
  const settings = Object.entries(Config.properties).map(([name, schema]) => [
    `\`${name}\``,
    showDefault(name, 'default' in schema ? schema.default : undefined),
    describeSetting(name)
  ])
  const aliases = Object.entries(ALIASES).map(([names, setting]) => [inCode(names), `\`${setting}\``])
  return [
    table([['name', 'default', 'what it is'], ...settings]),
    'Names that other set-ups use work too, where the name above is not set:',
    table([['name', 'stands for'], ...aliases])
  ].join('\n\n')
}

/** What the README says now. */
export function readSection(readme: string): string {
  return readme.match(SECTION)?.[2]?.trim() ?? ''
}

function showDefault(name: string, value: unknown): string {
  if (value !== undefined && value !== '') return `\`${value}\``
  const { required } = Config as { required?: string[] }
  return required?.includes(name) && value === undefined ? 'none' : 'empty'
}

const inCode = (names: string) =>
  names
    .split(', ')
    .map((name) => `\`${name}\``)
    .join(', ')

function table([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[], fill = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(' | ')} |`
  return [
    line(head),
    line(
      head.map(() => ''),
      '-'
    ),
    ...rows.map((row) => line(row))
  ].join('\n')
}

if (process.argv[1] === import.meta.filename) {
  const readme = await readFile(README, 'utf8')
  await writeFile(
    README,
    readme.replace(SECTION, (_, open, _old, close) => `${open}\n${settingsTable()}\n\n${close}`)
  )
}

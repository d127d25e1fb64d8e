/** The published page: medians with their spread, and the ratios against what was to be reached. */
import { sum } from './cpu.js'
import type { Limit } from './limits.js'
import { sides } from './sides.js'
import { type Spread, spread } from './statistics.js'
import { type Target, targets } from './targets.js'
import { type Measures, works } from './works.js'

export interface Outcome {
  round: number
  /** Absent for a limit. */
  work?: string
  /** Name of the side or of the limit. */
  side: string
  measures: Pick<Measures, 'rate'> & Partial<Measures>
}

/** The tables of all works that ran, the limits and the ratios, in Markdown. */
export function reportTables(outcomes: Outcome[], limits: Record<string, Limit>): string {
  const ran = Object.keys(works).filter((work) => outcomes.some((outcome) => outcome.work === work))
  return [
    `## To reach

Goals that were set before the first line was written, after an experiment with the ideas alone; *short* is no fault of an installation. \`pgbench-…\` and
\`static-…\` are the limits below the tables; works are named as in \`ONLY\`.
`,
    table(
      ['work', 'measure', 'compared with', 'to reach', 'measured (min–max)', 'the least', ''],
      targets.flatMap((target) => judge(target, outcomes))
    ),
    ...ran.flatMap((work) => [`\n## ${works[work]?.title}\n`, workTable(work, outcomes), ...planTable(work, outcomes)]),
    '\n## Limits in the same rounds\n',
    table(
      ['what', 'per s (min–max)'],
      Object.entries(limits).flatMap(([name, { title, unit }]) => {
        const rates = outcomes.filter(({ side, work }) => side === name && !work).map(({ measures }) => measures.rate)
        return rates.length ? [[title, `${show(spread(rates), 0)} ${unit}`]] : []
      })
    )
  ].join('\n')
}

/** Each round's own ratio counts, since rounds drift; a target whose sides did not run has no line. */
function judge({ work, metric, against, otherWork = work, is, bound, note }: Target, outcomes: Outcome[]): string[][] {
  const measureOf = (round: number, side: string, of: string | undefined) =>
    outcomes.find((outcome) => outcome.round === round && outcome.side === side && outcome.work === of)?.measures[
      metric
    ]
  const rounds = [...new Set(outcomes.map(({ round }) => round))]
  const valuesOf = (side: string) =>
    rounds.flatMap((round) => {
      const own = measureOf(round, side, work)
      const other = against ? measureOf(round, against, against in sides ? otherWork : undefined) : 1
      return own === undefined || other === undefined ? [] : [own / other]
    })
  const values = valuesOf('beeline')
  const least = valuesOf('least')
  if (!values.length) return []
  const measured = spread(values)
  const reached = is === 'at least' ? measured.median >= bound : measured.median <= bound
  const sign = is === 'at least' ? '≥' : '≤'
  const [times, digits] = against ? [' ×', 2] : ['', 0]
  return [
    [
      work,
      note ? `${metric} (${note})` : metric,
      against ?? '',
      `${sign} ${bound}${times}`,
      `${show(measured, digits)}${times}`,
      least.length ? `${show(spread(least), digits)}${times}` : '',
      reached ? 'reached' : '**short**'
    ]
  ]
}

function workTable(work: string, outcomes: Outcome[]): string {
  const here = outcomes.filter((outcome) => outcome.work === work)
  const names = Object.keys(sides).filter((name) => here.some(({ side }) => side === name))
  const through = here.some(({ measures }) => measures.cpu?.nginx)
  const parts = [...(through ? (['nginx'] as const) : []), ...(['gateway', 'consumer', 'postgres', 'redis'] as const)]
  const lines = names.map((name) => {
    const all = here.filter(({ side }) => side === name).map(({ measures }) => measures)
    const column = (read: (measures: Outcome['measures']) => number | undefined, digits: number) => {
      const values = all.map(read).filter((value) => value !== undefined)
      return values.length ? show(spread(values), digits) : ''
    }
    return [
      sides[name]?.title ?? name,
      column(({ rate }) => rate, 0),
      column(({ p50 }) => p50, 1),
      column(({ p99 }) => p99, 1),
      column(({ errors }) => errors, 0),
      column(({ cpu }) => cpu && sum(cpu), 3),
      parts.map((part) => column(({ cpu }) => cpu?.[part], 3).split(' ')[0]).join(' + '),
      column(({ memory }) => memory, 0),
      column(({ lag }) => lag, 0)
    ]
  })
  const heads = [
    'side',
    works[work]?.unit ?? '',
    'p50 ms',
    'p99 ms',
    'errors',
    'CPU s/1000',
    `${through ? 'nginx + ' : ''}gateway + consumer + Postgres + Redis`,
    'memory MB',
    'longest to the row, ms'
  ]
  return table(...withoutEmptyColumns(heads, lines))
}

/** How the ledger's statements find their rows in the last round. */
function planTable(work: string, outcomes: Outcome[]): string[] {
  const plans = outcomes.findLast((outcome) => outcome.work === work)?.measures.plans
  if (!plans) return []
  const lines = plans.map(({ title, reads }) => [title, reads.join(', ')])
  return ['\n### How the statements find their rows there\n', table(['statement', 'reads'], lines)]
}

function withoutEmptyColumns(heads: string[], lines: string[][]): [string[], string[][]] {
  const used = heads.map((_, column) => lines.some((line) => line[column]))
  const keep = (line: string[]) => line.filter((_, column) => used[column])
  return [keep(heads), lines.map(keep)]
}

function table(heads: string[], lines: string[][]): string {
  return [heads, heads.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** The median, and the ends where they differ: `12.3 (11–14)`. */
function show({ median, min, max }: Spread, digits: number): string {
  const text = (value: number) => value.toFixed(digits)
  return text(min) === text(max) ? text(median) : `${text(median)} (${text(min)}–${text(max)})`
}

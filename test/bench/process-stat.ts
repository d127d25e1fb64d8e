/** CPU time and memory of process trees, from Linux's /proc (proc(5)). */
import { readdir, readFile } from 'node:fs/promises'

export interface ProcessStat {
  pid: number
  parent: number
  /** Clock ticks of the process itself and of its children that ended and were waited for. */
  ticks: number
}

/** Linux counts CPU time in hundredths of a second wherever Node runs (USER_HZ). */
const TICKS_PER_SECOND = 100

/** Reads one line of /proc/<pid>/stat. The name in parentheses may itself hold spaces and parentheses. */
export function parseStat(line: string): ProcessStat {
  const rest = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [parent, user, system, childrenUser, childrenSystem] = [1, 11, 12, 13, 14].map((index) => Number(rest[index]))
  const stat = {
    pid: Number.parseInt(line, 10),
    parent: parent ?? Number.NaN,
    ticks: (user ?? Number.NaN) + (system ?? 0) + (childrenUser ?? 0) + (childrenSystem ?? 0)
  }
  if (Object.values(stat).some(Number.isNaN)) throw new Error(`not a line of /proc/<pid>/stat: ${line}`)
  return stat
}

/** Clock ticks of a process and of all below it. A child that ended is counted once, by the parent that waited for it. */
export function sumTree(stats: ProcessStat[], root: number): number {
  const own = stats.find(({ pid }) => pid === root)?.ticks ?? 0
  const below = stats.filter(({ parent }) => parent === root).map(({ pid }) => sumTree(stats, pid))
  return below.reduce((sum, ticks) => sum + ticks, own)
}

/** CPU seconds used so far by each of the named process trees; 0 where no process runs. */
export async function readCpu<K extends string>(roots: Record<K, number | undefined>): Promise<Record<K, number>> {
  const stats = await readStats()
  const secondsOf = (pid: number | undefined) => (pid ? sumTree(stats, pid) / TICKS_PER_SECOND : 0)
  const seconds = Object.entries<number | undefined>(roots).map(([name, pid]) => [name, secondsOf(pid)])
  return Object.fromEntries(seconds) as Record<K, number> // the keys are those of `roots`
}

/** Resident memory of a process, in MB. */
export async function readMemory(pid: number): Promise<number> {
  const [, kilobytes] = (await readFile(`/proc/${pid}/status`, 'utf8')).match(/^VmRSS:\s+(\d+) kB$/m) ?? []
  if (!kilobytes) throw new Error(`process ${pid} does not say how much memory it holds`)
  return Number(kilobytes) / 1024
}

async function readStats(): Promise<ProcessStat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
  return lines.filter(Boolean).map(parseStat)
}

/** The clients' log: a line is on the disk before its request is sent, and another after its answer has arrived. */
import { open, readFile } from 'node:fs/promises'
import type { Plan } from './plan.js'

export type Entry =
  | { event: 'sends'; plan: Plan }
  /** An answer with success: from now on the service has promised. */
  | { event: 'accepted'; marker: string; id: string; replayed: boolean }
  /** The client gave up without success: what it sent may or may not have been stored. */
  | { event: 'unknown'; marker: string; reason: string }
  /** What a status page said, seen in this order. */
  | { event: 'status'; id: string; status: string }

export interface Journal {
  /** Resolves when the entry is on the disk. */
  write(entry: Entry): Promise<void>
  close(): Promise<void>
}

export async function openJournal(path: string): Promise<Journal> {
  const file = await open(path, 'a')
  let lines: string[] = []
  let written: Promise<void> | undefined
  // writers that come while a sync is under way share the next one
  let syncing: Promise<unknown> = Promise.resolve()
  const flush = async () => {
    await syncing
    const text = lines.join('')
    lines = []
    written = undefined
    syncing = file.appendFile(text).then(() => file.datasync())
    await syncing
  }
  return {
    write(entry) {
      lines.push(`${JSON.stringify(entry)}\n`)
      written ??= flush()
      return written
    },
    async close() {
      await written
      await syncing
      await file.close()
    }
  }
}

export async function readJournal(path: string): Promise<Entry[]> {
  const text = await readFile(path, 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line): Entry => JSON.parse(line))
}

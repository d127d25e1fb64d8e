import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Lifeline, openLifeline } from '../../infra/local/lifeline.js'

let opened: Lifeline | undefined

/** Ends what a test file has started when the file itself is killed, at a time-out for example. One for each process. */
export function testLifeline(): Lifeline {
  if (opened) return opened
  const folder = mkdtempSync(join(tmpdir(), 'beeline-test-pids-'))
  process.once('exit', () => {
    // a file that broke off has children left: their list stays, for the lifeline is going to read it
    if (readFileSync(join(folder, 'pids'), 'utf8') === '') rmSync(folder, { recursive: true, force: true })
  })
  opened = openLifeline(folder)
  return opened
}

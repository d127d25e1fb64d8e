/** Log lines in blocks: each write wakes a thread, which costs far more than making a line. */

/** Longest time that a line waits for others, in ms. */
const PATIENCE_MS = 200

export interface Output {
  /** Writes behind the work. */
  write: (text: string) => unknown
  /** Writes this, and what was given before, at once; called with '' too. */
  writeSync: (text: string) => unknown
}

/**
 * Hands lines on in blocks of at most `mostBytes`, a longer line in one of its own, when the next does not fit in or the first has
 * waited for 200 ms.
 */
export function inBlocks(output: Output, mostBytes: number) {
  let lines: string[] = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined

  function take(): string {
    clearTimeout(timer)
    timer = undefined
    const block = lines.join('')
    lines = []
    bytes = 0
    return block
  }

  function flush() {
    const block = take()
    if (block) output.write(block)
  }

  return {
    write(line: string) {
      const length = Buffer.byteLength(line)
      if (bytes + length > mostBytes) flush()
      lines.push(line)
      bytes += length
      timer ??= setTimeout(flush, PATIENCE_MS).unref()
    },
    flush,
    flushSync: () => void output.writeSync(take())
  }
}

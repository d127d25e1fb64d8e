/** Log lines in blocks: each write is a call to the system, which costs far more than making a line. */

/** Longest time that a line waits for others, in ms. */
const PATIENCE_MS = 200

/**
 * Hands lines on in blocks of at most `mostBytes`, a longer line in one of its own, when the next does not fit in or the first has
 * waited for 200 ms.
 * @param write gets a block, or a line of its own
 */
export function inBlocks(write: (text: string) => unknown, mostBytes: number) {
  let lines: string[] = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined

  function flushSync() {
    clearTimeout(timer)
    timer = undefined
    if (!lines.length) return
    const block = lines.join('')
    lines = []
    bytes = 0
    write(block)
  }

  return {
    write(line: string) {
      const length = Buffer.byteLength(line)
      if (bytes + length > mostBytes) flushSync()
      lines.push(line)
      bytes += length
      timer ??= setTimeout(flushSync, PATIENCE_MS).unref()
    },
    /** Hands on what waits; pino calls it after a fatal line. */
    flushSync
  }
}

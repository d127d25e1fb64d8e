/** This process' own copies, each good only while Redis holds its version. The one that was not asked for longest goes first. */
export interface Copy {
  version: string
  bytes: Buffer
  etag: string
}

const MOST_BYTES = 16_000_000

export function createCopies() {
  const copies = new Map<string, Copy>()
  let held = 0

  function drop(key: string): void {
    held -= copies.get(key)?.bytes.length ?? 0
    copies.delete(key)
  }

  return {
    get: (key: string) => copies.get(key),
    set(key: string, copy: Copy): void {
      drop(key)
      copies.set(key, copy)
      held += copy.bytes.length
      for (const oldest of copies.keys()) {
        if (held <= MOST_BYTES) break
        drop(oldest)
      }
    }
  }
}

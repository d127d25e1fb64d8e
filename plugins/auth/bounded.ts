/** A map that holds so many entries at the most: the oldest makes room. */
export function createBounded<Value>(most: number) {
  const entries = new Map<string, Value>()
  return {
    get: (key: string) => entries.get(key),
    delete: (key: string) => entries.delete(key),
    size: () => entries.size,
    set(key: string, value: Value): void {
      entries.delete(key) // so that it is the youngest
      for (const oldest of entries.keys()) {
        if (entries.size < most) break
        entries.delete(oldest)
      }
      entries.set(key, value)
    }
  }
}

/** Runs the work on each item, some at a time, and answers the results in the items' order. */
export async function inParallel<Item, Result>(
  items: Item[],
  work: (item: Item) => Promise<Result>,
  atATime = 32
): Promise<Result[]> {
  const results: Result[] = []
  const left = items.entries()
  const runner = async () => {
    for (const [i, item] of left) results[i] = await work(item)
  }
  await Promise.all(Array.from({ length: atATime }, runner))
  return results
}

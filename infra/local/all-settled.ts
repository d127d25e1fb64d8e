/** Like Promise.all, but fails only when every part has come to its end: what a slower part has started is known by then. */
export async function allSettled<Values extends readonly unknown[]>(
  ...parts: Values
): Promise<{ -readonly [K in keyof Values]: Awaited<Values[K]> }> {
  await Promise.allSettled(parts)
  return Promise.all(parts)
}

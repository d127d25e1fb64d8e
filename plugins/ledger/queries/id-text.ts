/** Ids as Postgres reads them: they need no escaping, which the driver would look for in each. */

/** An array of ids. */
export const arrayOf = (ids: (string | null)[]): string => `{${ids.map((id) => id ?? 'null').join()}}`

/**
 * JSON of an object whose keys are ids. JavaScript's own objects are slow with thousands of keys that are never seen again: the text
 * takes a fifth of the time. What has no JSON is null.
 */
export const objectById = (entries: (readonly [id: string, value: unknown])[]): string =>
  `{${entries.map(([id, value]) => `"${id}":${JSON.stringify(value) ?? null}`).join()}}`

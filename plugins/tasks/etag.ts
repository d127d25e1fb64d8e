/** Entity tags and what a request may say of them (RFC 9110 §8.8.3, §13.1). */

export const etagOf = ({ version }: { version: number }) => `"${version}"`

/** Tags without the sign of weakness: a proxy that compresses an answer makes its tag weak, and the version is the same. */
const tagsIn = (header: string) => header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))

/** Whether the client has the answer with this tag already. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch === '*' || tagsIn(ifNoneMatch).includes(etag.replace(/^W\//, ''))
}

const versionsIn = (header: string) =>
  tagsIn(header).flatMap((tag) => (/^"[1-9]\d{0,8}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []))

/** The versions that a write is meant for; undefined when it is meant for any. */
export const readVersions = (ifMatch: string | undefined): number[] | undefined =>
  ifMatch === undefined || ifMatch === '*' ? undefined : versionsIn(ifMatch)

/** The versions that a write is not meant for, or all that there may be. */
export const readExcluded = (ifNoneMatch: string | undefined): number[] | 'all' | undefined =>
  ifNoneMatch === undefined ? undefined : ifNoneMatch === '*' ? 'all' : versionsIn(ifNoneMatch)

/**
 * The header `Link` of a page of a list that is not the last: it leads to the next one (RFC 8288).
 * @param url of the request, whose filters stay
 * @param next what `before` is there
 */
export function linkToNext(path: string, url: string, next: string): string {
  const query = new URLSearchParams(/\?.*/s.exec(url)?.[0])
  query.set('before', next)
  return `<${path}?${query}>; rel="next"`
}

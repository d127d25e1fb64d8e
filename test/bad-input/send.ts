/** Ways to send bodies exactly as they are written. */
import { CONTACT, type Stack } from '../helpers/stack.js'

/** Both ways in of the form that these tests start from. */
export const WAYS = ['/sync/contact', '/async/contact']

/** The fields of a contact form that is accepted. */
export const FIELDS = { name: 'Ada', email: 'ada@example.org', message: 'Good morning', consent: 'on' }

export const JSON_TYPE = 'application/json'
export const FORM_TYPE = 'application/x-www-form-urlencoded'

export type Send = (
  way: string,
  type: string | undefined,
  body: string | Uint8Array,
  more?: Record<string, string>
) => Promise<Response>

/** Posts bytes under a content type, or under none. */
export const createSend =
  ({ gateway }: Pick<Stack, 'gateway'>): Send =>
  (way, type, body, more = {}) =>
    fetch(gateway.url + way, {
      method: 'POST',
      headers: { ...(type && { 'content-type': type }), ...more },
      body: typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body)
    })

/** The contact form's JSON with one value replaced, written out so that it may hold what no JavaScript value can. */
export function written(field: string, json: string): string {
  const others = Object.entries(CONTACT).filter(([name]) => name !== field)
  return `{${others.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()},"${field}":${json}}`
}

/** Forms as a browser without script gets and sends them. */

export const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

export const contact = (name: string) => ({ name, email: 'ada@example.org', message: 'Hello', consent: 'true' })

/** The one-time key that a page carries. */
export const keyOf = (html: string) => html.match(/name="idempotency_key" value="([^"]+)"/)?.[1] ?? ''

/** For a gateway that believes 127.0.0.1 on addresses. */
export function formPagesOf(gateway: { readonly url: string }) {
  let lastAddress = 0
  return {
    get: (path: string, headers: Record<string, string> = { accept: BROWSER }) =>
      fetch(gateway.url + path, { headers, redirect: 'manual' }),
    /** Posts a form from an address of its own. */
    submit: (path: string, fields: Record<string, string> | [string, string][], headers = {}) =>
      fetch(gateway.url + path, {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers: { accept: BROWSER, 'x-forwarded-for': `10.0.0.${++lastAddress}`, ...headers },
        redirect: 'manual'
      })
  }
}

/** Short ways to the jobs of a gateway, as an operator's program takes them. */
import { KEY } from '../helpers/processes.js'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests match what they expect of it
  body: any
}

export interface Probe {
  marker?: string
  /** What the probe's handler does. Default 'store'. */
  action?: string
  ms?: number
}

export type Api = ReturnType<typeof createApi>

/** The payload of a probe job. */
export const probe = ({ marker = 'any', action = 'store', ms }: Probe = {}) => ({
  form: 'probe',
  data: { marker, action, ...(ms !== undefined && { ms }) }
})

export function createApi(service: { readonly url: string }) {
  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {}
  ): Promise<Answer> {
    const answer = await fetch(service.url + path, {
      method,
      headers: { ...KEY, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : undefined }
  }
  return {
    call,
    get: (path: string, headers?: Record<string, string>) => call('GET', path, undefined, headers),
    post: (path: string, body: unknown, headers?: Record<string, string>) => call('POST', path, body, headers),
    /** Sends a probe and answers its id. */
    async send(given: Probe = {}, query = '') {
      const { status, body } = await call('POST', `/api/jobs/probe/async${query}`, probe(given))
      if (status !== 202) throw new Error(`${status} ${body?.code}`)
      return String(body.id)
    },
    status: async (id: string) => String((await call('GET', `/api/jobs/${id}`)).body.status)
  }
}

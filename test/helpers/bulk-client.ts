/** A plain client on kept connections, several times quicker than fetch: for tests that send thousands of requests. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import type { Scope } from './services.js'

export interface BulkAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export type BulkClient = (path: string, sent?: { type?: string; body?: string }) => Promise<BulkAnswer>

/** Gets a path, or posts a body of a type to it. */
export function createBulkClient(t: Scope, base: string): BulkClient {
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  return (path, { type, body } = {}) =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) }
      const method = body === undefined ? 'GET' : 'POST'
      const sent = request(base + path, { method, agent, headers }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const { statusCode: status = 0, headers } = answer
          resolve({ status, headers, body: Buffer.concat(chunks).toString() })
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
}

import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface PostOptions {
  headers: Record<string, string>
  body: object
  /** Time until the whole answer is there, in ms. */
  timeout: number
}

export interface Posted {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

const agent = new Agent({ keepAlive: true, maxSockets: 500 })

/** Posts JSON. A tenth of `fetch`'s cost, which counts where the sender shares the processor with what it tests. */
export function post(url: string, { headers, body, timeout }: PostOptions): Promise<Posted> {
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      agent,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    })
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeout} ms`)), timeout)
    const fail = (error: Error) => {
      clearTimeout(timer)
      reject(error)
    }
    outgoing.on('error', fail)
    outgoing.on('response', (incoming) => {
      let received = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (part) => {
        received += part
      })
      incoming.on('error', fail)
      incoming.on('end', () => {
        clearTimeout(timer)
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: received })
      })
    })
    outgoing.end(text)
  })
}

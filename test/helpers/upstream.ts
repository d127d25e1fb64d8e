/** A small server in the place of a gateway, for what a real one would not answer. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Scope } from './services.js'

export interface Upstream {
  url: string
  server: Server
  /** What it was asked, in order. */
  requests: IncomingMessage[]
}

export async function startUpstream(t: Scope, listener: RequestListener): Promise<Upstream> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${Object(server.address()).port}`, server, requests }
}

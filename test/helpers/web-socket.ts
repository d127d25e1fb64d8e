/** WebSockets (RFC 6455) as far as a proxy sees them: the handshake, then bytes both ways. */
import { createHash } from 'node:crypto'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import type { Scope } from './services.js'
import type { Upstream } from './upstream.js'

/** Takes WebSockets and repeats what comes. */
export function takeSockets({ server }: Upstream): void {
  server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    socket.on('data', (data: Buffer) => socket.write(`echo: ${data}`))
    socket.on('error', () => {})
  })
}

/** Asks for one. @throws Error when the answer is another */
export function openSocket(t: Scope, url: string): Promise<{ socket: Duplex; answer: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https') ? https.request : http.request
    const sent = send(url, {
      rejectUnauthorized: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ=='
      }
    })
    sent.on('upgrade', (answer, socket) => {
      t.teardown(() => socket.destroy())
      resolve({ answer, socket })
    })
    sent.on('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)))
    sent.on('error', reject)
    sent.end()
  })
}

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RawOptions {
  /** Pause between the pieces, in ms. Default 0. */
  pause?: number
  /** Time after which the connection is given up, in ms. Default 5000. */
  timeout?: number
  /** End our side after the last piece. Default false. */
  end?: boolean
}

/** Sends bytes over a bare connection and answers all that came back until the server closed it. */
export async function sendRaw(
  url: string,
  pieces: (string | Uint8Array)[],
  { pause = 0, timeout = 5_000, end = false }: RawOptions = {}
): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  const closed = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => {}) // a reset is an end, too
    socket.on('close', () => resolve())
    socket.setTimeout(timeout, () => socket.destroy())
  })
  for (const piece of pieces) {
    if (!socket.writable) break
    socket.write(piece)
    if (pause) await sleep(pause)
  }
  if (end) socket.end()
  await closed
  return Buffer.concat(chunks).toString()
}

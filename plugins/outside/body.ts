/** Reads what comes back, within a limit that holds for the bytes on the wire and again for what they unpack to. */
import type { Readable } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import { permanent } from './failures.js'

export interface BodyLimit {
  /** Most bytes, packed and unpacked. */
  maxBytes: number
  /** Take the beginning of what is longer, instead of refusing it. */
  cut: boolean
}

/** @throws permanent `TOO_LARGE`, `ENCODING_UNKNOWN` */
export async function readBody(body: Readable, headers: Record<string, string>, limit: BodyLimit): Promise<Buffer> {
  const kind = headers['content-encoding']?.trim().toLowerCase() || 'identity'
  if (!Object.hasOwn(DECODERS, kind) && kind !== 'identity')
    throw permanent('ENCODING_UNKNOWN', 'the answer is packed in a way that is not known here')
  if (Number(headers['content-length']) > limit.maxBytes && !limit.cut) throw tooLarge(limit)
  const bytes = await collect(body, limit)
  const decoder = DECODERS[kind]?.(bytes, limit.cut)
  if (!decoder || !bytes.length) return bytes
  decoder.end(bytes)
  return collect(decoder, limit)
}

const tooLarge = ({ maxBytes }: BodyLimit) => permanent('TOO_LARGE', `the answer has more than ${maxBytes} bytes`)

/** Leaving the loop destroys the stream: what is too long is neither received nor unpacked to its end. */
async function collect(stream: Readable, limit: BodyLimit): Promise<Buffer> {
  const { maxBytes, cut } = limit
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    chunks.push(chunk)
    size += chunk.length
    if (size <= maxBytes) continue
    if (cut) break
    throw tooLarge(limit)
  }
  return Buffer.concat(chunks).subarray(0, maxBytes)
}

const gunzip = (_: Buffer, cut: boolean) => createGunzip(cut ? { finishFlush: constants.Z_SYNC_FLUSH } : {})
const DECODERS: Record<string, (bytes: Buffer, cut: boolean) => ReturnType<typeof createGunzip>> = {
  gzip: gunzip,
  'x-gzip': gunzip,
  // servers say deflate for two formats: with and without a header, the low half of whose first byte is 8
  deflate: (bytes) => (((bytes[0] ?? 0) & 0x0f) === 8 ? createInflate() : createInflateRaw()),
  br: () => createBrotliDecompress()
}

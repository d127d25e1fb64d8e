/** Secrets of our own making, and keys for single purposes out of the secret of the installation. */
import { createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 bits, as text. */
export const makeSecret = () => randomBytes(32).toString('base64url')

/** Enough for secrets that nobody chose: there is nothing to guess. */
export const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** Takes the same time wherever the two differ. */
export const isSame = (given: Buffer, expected: Buffer) =>
  given.length === expected.length && timingSafeEqual(given, expected)

/** A key of 256 bits for one purpose (RFC 5869), so that what is signed for one is worth nothing for another. */
export const keyFor = (purpose: string, secret: string) =>
  Buffer.from(hkdfSync('sha256', secret, '', `beeline ${purpose}`, 32))

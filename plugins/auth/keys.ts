/** API keys: `bee_`, eight letters that may be shown, and 256 bits that are kept only as a hash. */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { uuidv7 } from 'uuidv7'
import { problem } from '#schema/problem'
import type { NewApiKey } from '#schema/user'
import {
  findKeys,
  insertKey,
  type KeyRow,
  type LiveKey,
  listKeys,
  MOST_KEYS,
  revokeKey,
  touchKeys
} from './queries/keys.js'
import { createRecent, type RecentOptions } from './recent.js'
import { isSame, makeSecret, sha256 } from './secrets.js'

const KEY = /^(bee_[0-9a-f]{8})_[\w-]{43}$/

export interface KeyOptions {
  app: FastifyInstance
  recent: RecentOptions
}

export type Keys = ReturnType<typeof createKeys>

export interface AskedKey extends Pick<NewApiKey, 'name' | 'expires_in_days'> {
  /** What its maker may do here. */
  own: readonly string[]
  /** What it may do: that, or less. Default all but `account`: unless it is asked for, no key manages its account. */
  scopes?: readonly string[]
}

export function createKeys({ app, recent: bounds }: KeyOptions) {
  const load = app.groupRead<LiveKey>(async (_pool, prefixes) => {
    const found = await findKeys(app.pg, prefixes)
    const stale = [...found.values()].filter((key) => key.stale).map(({ id }) => id)
    if (stale.length) touchKeys(app.pg, stale).catch((err) => app.log.debug({ err }, 'a use was not noted'))
    return found
  })
  const recent = createRecent(load, bounds)

  return {
    /** The key's row, if it is one of ours and good. */
    async find(key: string): Promise<LiveKey | undefined> {
      const [, prefix] = KEY.exec(key) ?? []
      const row = prefix ? await recent.get(prefix) : undefined
      return row && isSame(sha256(key), row.hash) ? row : undefined
    },

    /** The row of a prefix, if it was asked for a moment ago. */
    peek: recent.peek,

    /** Makes one; the answer alone holds it. @throws problem 403 `SCOPE_MISSING`, 409 `TOO_MANY_KEYS` */
    async create(
      userId: string,
      { name, expires_in_days, own, scopes = own.filter((scope) => scope !== 'account') }: AskedKey
    ): Promise<KeyRow & { key: string }> {
      refuseMore(own, scopes)
      const prefix = `bee_${randomBytes(4).toString('hex')}`
      const key = `${prefix}_${makeSecret()}`
      const row = await insertKey(app.pg, {
        id: uuidv7(),
        userId,
        name,
        prefix,
        hash: sha256(key),
        scopes,
        ...(expires_in_days !== undefined && { expiresInDays: expires_in_days })
      })
      if (!row) throw problem(409, 'TOO_MANY_KEYS', `you have ${MOST_KEYS} keys; revoke one first`)
      return { ...row, key }
    },

    list: (userId: string) => listKeys(app.pg, userId),

    /** Answers whether it was there. */
    async revoke(key: { id: string; userId: string }): Promise<boolean> {
      const prefix = await revokeKey(app.pg, key)
      if (prefix) recent.forget(prefix)
      return prefix !== undefined
    }
  }
}

/** Each scope can be given once. @throws problem 403 `SCOPE_MISSING` */
function refuseMore(own: readonly string[], scopes: readonly string[]): void {
  const left = new Set(own)
  const missing = scopes.filter((scope) => !left.delete(scope))
  if (missing.length) throw problem(403, 'SCOPE_MISSING', `you cannot give what you do not have: ${missing.join(' ')}`)
  if (!scopes.length)
    throw problem(403, 'SCOPE_MISSING', 'say which scopes: you have account alone, which is given only when asked for')
}

/** One `Idempotency-Key`, one effect: the key is committed with the row that it protects (design.md §5). */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { PoolClient } from 'pg'
import { isLocked } from '#schema/locked'
import { problem } from '#schema/problem'
import { type IdempotencyKey, nameOf, readKey } from './key.js'
import { deleteOldKeys, findKeys, type KeyKind, takeKeys } from './queries.js'

export interface IdempotencyOptions {
  /** Time that a key is remembered, in hours. Default 48. */
  keepHours?: number
}

/** A row about to be inserted, under a key or without one. */
export interface Keyed {
  /** Id of the row, made before the insert. */
  id: string
  key?: IdempotencyKey
}

/** What became of it: the id is another's when the key was there before. */
export interface Outcome {
  id: string
  replayed: boolean
  /** Why there is no answer: the key was there before with another request, or went just as it was looked for. */
  conflict?: 'reused' | 'gone'
}

declare module 'fastify' {
  interface FastifyInstance {
    idempotency: {
      /** The request's key: the header's, or the given one of a form page. @throws problem 400 `IDEMPOTENCY_KEY_INVALID` */
      readKey: typeof readKey
      /** What a key stands for already, if it was used. */
      lookUp: (item: Keyed) => Promise<Outcome | undefined>
      /**
       * What became of this very request when it was sent before: it is answered again, though what it asks would be refused by now.
       * @throws the refusal of one that was not
       */
      findRepeat: (key: IdempotencyKey | undefined, refusal: unknown) => Promise<Outcome>
      /**
       * Inserts rows in one transaction, each at most once for its key. `insert` sends one statement, at once, and must use `on conflict
       * (id) do nothing`, so that the same items may come again after a lost connection.
       * @throws problem 409 `IDEMPOTENCY_KEY_IN_USE` for a lone item whose key another transaction holds
       */
      insertOnce: <Item extends Keyed>(
        client: PoolClient,
        kind: KeyKind,
        items: Item[],
        insert: (client: PoolClient, items: Item[]) => Promise<unknown>
      ) => Promise<Outcome[]>
      /** The outcome itself. @throws problem 422 `IDEMPOTENCY_KEY_REUSED` */
      settle: (outcome: Outcome) => Outcome
    }
  }
}

async function idempotency(app: FastifyInstance, { keepHours = 48 }: IdempotencyOptions) {
  const lookUp = async (item: Keyed): Promise<Outcome | undefined> => {
    if (!item.key) return undefined
    const owner = (await findKeys(app.pg, [item])).get(nameOf(item.key))
    return owner && judge(item, item.key, owner)
  }
  const findRepeat = async (key: IdempotencyKey | undefined, refusal: unknown): Promise<Outcome> => {
    // without a database it cannot be told, and what was asked is wrong all the same
    const outcome = await lookUp({ id: '', ...(key && { key }) }).catch(() => undefined)
    if (!outcome || outcome.conflict) throw refusal
    return outcome
  }
  app.decorate('idempotency', { readKey, lookUp, findRepeat, insertOnce, settle })

  app.prune('idempotency keys', [(most) => deleteOldKeys(app.pg, keepHours, most)])
}

async function insertOnce<Item extends Keyed>(
  client: PoolClient,
  kind: KeyKind,
  items: Item[],
  insert: (client: PoolClient, items: Item[]) => Promise<unknown>
): Promise<Outcome[]> {
  const keyed = items.filter((item) => item.key)
  if (!keyed.length) {
    await insert(client, items)
    return items.map(fresh)
  }
  const [, taken] = await Promise.all([client.query('begin'), takeKeys(client, kind, keyed)]).catch(
    (error: unknown) => {
      // another transaction has held the key for longer than a statement waits
      throw isLocked(error) ? inUse(error) : error
    }
  )
  const winners = items.filter((item) => !item.key || taken.has(item.id))
  const inserted = winners.length ? insert(client, winners) : undefined
  await Promise.race([inserted, undefined]) // what failed before it was sent must not leave its keys behind
  await Promise.all([inserted, client.query('commit')])
  const losers = keyed.filter(({ id }) => !taken.has(id))
  const owners = losers.length ? await findKeys(client, losers) : new Map()
  return items.map((item) => {
    if (!item.key || taken.has(item.id)) return fresh(item)
    return judge(item, item.key, owners.get(nameOf(item.key)))
  })
}

const inUse = (cause?: unknown) =>
  problem(409, 'IDEMPOTENCY_KEY_IN_USE', 'the first request with this Idempotency-Key is not done yet; repeat soon', {
    retryAfter: 1,
    cause
  })

const fresh = ({ id }: Keyed): Outcome => ({ id, replayed: false })

/** What became of a row whose key was there before. */
function judge({ id }: Keyed, { hash }: IdempotencyKey, owner: { id: string; hash: string } | undefined): Outcome {
  if (!owner) return { id, replayed: false, conflict: 'gone' }
  // its own id: this very request was committed before the connection broke
  if (owner.id === id) return { id, replayed: false }
  return { id: owner.id, replayed: true, ...(owner.hash !== hash && { conflict: 'reused' }) }
}

function settle(outcome: Outcome): Outcome {
  if (outcome.conflict === 'gone') throw inUse()
  if (outcome.conflict) {
    throw problem(422, 'IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for another request; send a fresh key')
  }
  return outcome
}

export default fp(idempotency, { name: 'idempotency', fastify: '5.x', decorators: { fastify: ['pg', 'prune'] } })

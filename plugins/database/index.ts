/** Postgres: the pool, and the commits that concurrent writers share (design rule 1). */
import postgres from '@fastify/postgres'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Pool } from 'pg'
import { type Repetition, repeat } from '#schema/repeat'
import { isOutage, isPassing, isTooSlow } from './faults.js'
import { createGroupCommit, type GroupCommit, type GroupCommitOptions } from './group-commit.js'
import { createGroupRead, type GroupRead } from './group-read.js'
import { poolOptions } from './pool-options.js'
import { createPrune, type Prune } from './prune.js'
import { findUnsafeSetting } from './queries.js'

export interface DatabaseOptions {
  /** Address of Postgres, with the role that serves. */
  url: string
  /** Most connections that the pool opens. Default 10. */
  connections?: number
  /** Time after which a silent connection is given up, in ms. Default 5000. */
  queryTimeoutMs?: number
  /** Time to get a shared commit through before its writers are told 503, in ms. Default 10,000. */
  commitDeadlineMs?: number
  /** Stop the start when Postgres is away, instead of waiting for it. Default false. */
  strict?: boolean
  /** Called once when Postgres turns out to be unfit to keep a promise; the process must end. */
  onUnfit: (error: Error) => void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether an error says that the database was away, so that the same may succeed later. */
    isOutage: (error: unknown) => boolean
    /** Whether an error says that a statement lost to another one, and may succeed alone. */
    isPassing: (error: unknown) => boolean
    /** Whether Postgres says that a statement took longer than it may, and was not done. */
    isTooSlow: (error: unknown) => boolean
    /** Makes a writer whose concurrent calls share one commit. */
    groupCommit: <Item, Outcome>(options: GroupCommitOptions<Item, Outcome>) => GroupCommit<Item, Outcome>
    /** Makes a look-up by key whose concurrent calls share one statement. */
    groupRead: <Value>(read: (pool: Pool, keys: string[]) => Promise<Map<string, Value>>) => GroupRead<Value>
    /** Has what is over deleted, in bounded statements, at the start and each hour. */
    prune: Prune
  }
}

async function database(app: FastifyInstance, options: DatabaseOptions) {
  const { url, connections = 10, queryTimeoutMs = 5_000, commitDeadlineMs = 10_000, strict = false, onUnfit } = options
  await app.register(postgres, poolOptions({ url, connections, queryTimeoutMs }))
  const { pool } = app.pg
  pool.on('error', (error) => app.log.warn({ err: error }, 'an idle database connection broke'))
  // a connection that breaks while in use emits too, and without a listener that would end the process
  pool.on('connect', (client) =>
    client.on('error', (error) => app.log.warn({ err: error }, 'a database connection broke'))
  )

  app.decorate('isOutage', isOutage)
  app.decorate('isPassing', isPassing)
  app.decorate('isTooSlow', isTooSlow)
  const groups: { drained: () => Promise<void> }[] = []
  app.decorate('groupCommit', <Item, Outcome>(options: GroupCommitOptions<Item, Outcome>) => {
    const onRetry = (error: unknown, items: Item[]) => {
      app.log.warn({ err: error, items: items.length }, 'a commit failed; what may succeed is tried again')
      options.onRetry?.(error, items)
    }
    const group = createGroupCommit(pool, { deadlineMs: commitDeadlineMs, ...options, onRetry })
    groups.push(group)
    return group
  })
  app.decorate('groupRead', (read) => createGroupRead(pool, read))
  app.decorate('prune', createPrune(app))
  // before the pool ends: what waits may be a request whose client has gone
  app.addHook('onClose', async () => {
    await Promise.all(groups.map((group) => group.drained()))
  })

  const refuseUnfit = async () => {
    const unsafe = await findUnsafeSetting(app.pg)
    if (unsafe) throw unfit(`Postgres runs with ${unsafe}=off and could lose what it confirmed: switch ${unsafe} on`)
  }
  let retries: Repetition | undefined
  /** Answers the pause until the next try, in ms. */
  const noteAway = (error: Error) => {
    app.log.warn({ err: error }, 'Postgres is away, trying again')
    return 1_000
  }
  const tryAgain = () =>
    refuseUnfit().then(
      () => undefined,
      (error: Error) => (isUnfit(error) ? void onUnfit(error) : noteAway(error))
    )
  app.addHook('onReady', () =>
    refuseUnfit().catch((cause: Error) => {
      if (isUnfit(cause)) throw cause
      if (strict) throw new Error(`Postgres is away (${cause.message}): start it or correct DATABASE_URL`, { cause })
      retries = repeat(noteAway(cause), tryAgain)
    })
  )
  app.addHook('preClose', async () => void retries?.stop())
}

const UNFIT = 'DATABASE_UNFIT'
const unfit = (detail: string) => Object.assign(new Error(detail), { code: UNFIT })
const isUnfit = (error: Error) => 'code' in error && error.code === UNFIT

export default fp(database, { name: 'database', fastify: '5.x' })

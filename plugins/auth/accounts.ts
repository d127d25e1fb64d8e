/** What users do with their accounts: begin, log in, choose another password. */
import type { FastifyInstance } from 'fastify'
import { uuidv7 } from 'uuidv7'
import { problem } from '#schema/problem'
import type { NewUser } from '#schema/user'
import type { Passwords } from './passwords.js'
import {
  findLogin,
  findPassword,
  findPasswordLink,
  findUser,
  insertUser,
  type LoggedIn,
  renewHash,
  setPassword,
  setPasswordByLink,
  type UserRow
} from './queries/users.js'
import { sha256 } from './secrets.js'
import type { Sessions } from './sessions.js'
import type { Throttle } from './throttle.js'
import { createFindWeakness } from './weak-passwords.js'

export interface AccountOptions {
  app: FastifyInstance
  passwords: Passwords
  sessions: Sessions
  throttle: Throttle
}

export interface Attempt {
  username: string
  password: string
  /** Keyed hash of the address. */
  address: string
}

export interface PasswordChange {
  userId: string
  current: string
  password: string
  /** The log-in that asks, which goes on. */
  sessionId?: string
  /** Keyed hash of the address. */
  address: string
}

export type Accounts = ReturnType<typeof createAccounts>

/** Longer ones were never accepted; they cost no hashing of megabytes. */
const LONGEST = 128

export function createAccounts({ app, passwords, sessions, throttle }: AccountOptions) {
  const findWeakness = createFindWeakness()

  /** @throws problem 422 `INVALID_BODY` */
  function refuseWeak(password: string, username: string): void {
    const detail = findWeakness(password, username)
    if (detail)
      throw problem(422, 'INVALID_BODY', `the password ${detail}`, { errors: [{ pointer: '/password', detail }] })
  }

  return {
    /** Makes an account. @throws problem 409 `USERNAME_TAKEN`, 422 for a password that is too easy */
    async register({ username, password }: NewUser): Promise<UserRow> {
      refuseWeak(password, username)
      const passwordHash = await passwords.hash(password)
      const user = await insertUser(app.pg, { id: uuidv7(), username, passwordHash })
      if (!user) throw problem(409, 'USERNAME_TAKEN', 'this name is taken; choose another')
      return user
    },

    find: (id: string): Promise<UserRow | undefined> => findUser(app.pg, id),

    /** The user, if name and password are right. An unknown name costs the same. @throws problem 429 `TOO_MANY_ATTEMPTS` */
    async logIn({ username, password, address }: Attempt): Promise<LoggedIn | undefined> {
      const guess = { account: username.toLowerCase(), address }
      await throttle.take(guess)
      const user = await findLogin(app.pg, guess.account, address)
      if (!user?.known) await throttle.takeFromStranger(guess)
      const hash = password.length <= LONGEST ? user?.passwordHash : undefined
      const isRight = await passwords.verify(password.slice(0, LONGEST), hash)
      if (!user || !isRight) return undefined
      await throttle.forgive(guess, { stranger: !user.known })
      if (hash && passwords.isOutdated(hash)) {
        await renewHash(app.pg, { id: user.id, from: hash, to: await passwords.hash(password) })
      }
      const { passwordHash: _, known: __, ...row } = user
      return row
    },

    /** Ends all other log-ins. @throws problem 422 `WRONG_PASSWORD`, or for a password that is too easy, 429 as `logIn` */
    async changePassword(change: PasswordChange): Promise<void> {
      const { userId, current, password, sessionId, address } = change
      const known = await findPassword(app.pg, userId)
      const guess = { account: known?.username ?? userId, address }
      await throttle.take(guess)
      if (!known || !(await passwords.verify(current, known.passwordHash))) {
        throw problem(422, 'WRONG_PASSWORD', 'the current password is another', {
          errors: [{ pointer: '/current', detail: 'is not the current password' }]
        })
      }
      await throttle.forgive(guess)
      refuseWeak(password, known.username)
      const passwordHash = await passwords.hash(password)
      sessions.forget(
        await app.pg.transact((tx) =>
          setPassword(tx, { userId, passwordHash, ...(sessionId && { exceptSession: sessionId }) })
        )
      )
    },

    /** Sets a password by a one-time link, and ends all log-ins. @throws problem 410 `LINK_GONE`, 422 for one that is too easy */
    async resetPassword({ token, password }: { token: string; password: string }): Promise<void> {
      const hash = sha256(token)
      const known = await findPasswordLink(app.pg, hash)
      if (!known) throw linkGone()
      refuseWeak(password, known.username)
      const passwordHash = await passwords.hash(password)
      const { userId } = known
      const ended = await app.pg.transact((tx) => setPasswordByLink(tx, { hash, userId, passwordHash }))
      if (!ended) throw linkGone()
      sessions.forget(ended)
    }
  }
}

const linkGone = () => problem(410, 'LINK_GONE', 'this link was used before, or its time is over; ask for another')

/** Passwords: argon2id with the parameters in the hash, few at once, the same work whether the account is there or not. */
import { availableParallelism } from 'node:os'
import { hash, parseOptions, verify } from '@node-rs/argon2'
import { createGate } from './gate.js'
import { makeSecret } from './secrets.js'

/** OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** One per core, and one of libuv's four threads stays free for files and names. */
const AT_ONCE = Math.min(availableParallelism(), 3)
/** About ten seconds of work. */
const MOST_WAITING = 100

export type Passwords = ReturnType<typeof createPasswords>

export function createPasswords() {
  const gate = createGate({ atOnce: AT_ONCE, mostWaiting: MOST_WAITING })
  /** Of a password that nobody knows: what a log-in without account is compared with. */
  let nobody: Promise<string> | undefined

  return {
    /** @throws problem 503 `TOO_MANY_LOGINS` */
    hash: (password: string) => gate(() => hash(normal(password), PARAMETERS)),

    /** Whether it is the password; without a hash it is not, after the same time. @throws as `hash` */
    verify: (password: string, hashed: string | null | undefined): Promise<boolean> =>
      gate(async () => {
        nobody ??= hash(makeSecret(), PARAMETERS)
        const isSame = await verify(hashed ?? (await nobody), normal(password))
        return isSame && typeof hashed === 'string'
      }),

    /** Whether a hash was made with other parameters than those of today. */
    isOutdated(hashed: string): boolean {
      const { memoryCost, timeCost, parallelism } = parseOptions(hashed)
      return (
        memoryCost !== PARAMETERS.memoryCost ||
        timeCost !== PARAMETERS.timeCost ||
        parallelism !== PARAMETERS.parallelism
      )
    }
  }
}

/** The same characters, whatever keyboard they came from (NIST SP 800-63B §3.1.1.2). */
const normal = (password: string) => password.normalize('NFKC')

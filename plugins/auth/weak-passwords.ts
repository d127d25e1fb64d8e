/** Passwords that are tried first by whoever guesses. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** 49,000 of them, in small letters. */
const COMMON = fileURLToPath(import.meta.resolve('@zxcvbn-ts/language-common/src/passwords.json'))

/** What that list leaves to other rules, or cannot know. */
const OWN = new Set(['beeline', 'changeit', 'login', 'p@ssword', 'parola', 'passwort', 'qwertz'])

/** Answers why a password is too easy, if it is. */
export function createFindWeakness() {
  /** JSON as it lies on the disk, half a megabyte from the first password on that is set; as words it would be three. */
  let common: Buffer | undefined

  /** What follows a common one (digits, signs, a few letters) or repeats it makes it no harder to guess. */
  function isCommon(lower: string): boolean {
    const half = lower.slice(0, Math.ceil(lower.length / 2))
    if (half.repeat(2) === lower) return true
    const word = lower.replace(/[^a-z]*$/, '')
    const beginnings = [1, 2, 3, 4].map((letters) => lower.slice(0, -letters)).filter(({ length }) => length > 5)
    const candidates = [lower, ...(word.length > 3 ? [word] : []), ...beginnings]
    common ??= readFileSync(COMMON)
    const list = common
    return candidates.some((candidate) => OWN.has(candidate) || list.includes(JSON.stringify(candidate)))
  }

  return (password: string, username: string): string | undefined => {
    const lower = password.normalize('NFKC').toLowerCase() // as it is hashed: wide letters are the same password
    const name = username.toLowerCase().split('@')[0] ?? ''
    if (name.length > 3 && lower.includes(name)) return 'must not contain the name of its user'
    if (new Set(lower).size < 4) return 'has too few different characters'
    if (isSequence(lower)) return 'must not be a row of neighbours'
    return isCommon(lower) ? 'is one of those that are guessed first' : undefined
  }
}

const isSequence = (text: string) => {
  const steps = new Set([...text].slice(1).map((one, i) => one.charCodeAt(0) - text.charCodeAt(i)))
  return steps.size === 1
}

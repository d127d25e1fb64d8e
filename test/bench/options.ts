/** What a run of the benchmark may be told, in the environment. */
import { sides } from './sides.js'
import { works } from './works.js'

export interface Options {
  /** Rounds, in each of which every side has its turn. */
  rounds: number
  /** Length of a load, in s. */
  seconds: number
  /** Jobs that wait for the consumer in the drain. */
  jobs: number
  /** Names of the works to run. */
  works: string[]
  /** Names of the sides to run. */
  sides: string[]
  /** Folder for CPU profiles of Beeline's processes; with it Postgres lists what its statements took, too. */
  profile: string | undefined
}

/** @throws Error that names the wrong variable. */
export function readOptions(environment: NodeJS.ProcessEnv): Options {
  const { ROUNDS, SECONDS, JOBS, ONLY, SIDES, PROFILE } = environment
  return {
    rounds: wholeNumber('ROUNDS', ROUNDS, 3),
    seconds: wholeNumber('SECONDS', SECONDS, 8),
    jobs: wholeNumber('JOBS', JOBS, 40_000),
    works: names('ONLY', ONLY, Object.keys(works)),
    sides: names('SIDES', SIDES, Object.keys(sides)),
    profile: PROFILE || undefined
  }
}

function wholeNumber(name: string, text: string | undefined, otherwise: number): number {
  const value = text ? Number(text) : otherwise
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} must be a whole number from 1, not '${text}'`)
  return value
}

function names(name: string, text: string | undefined, known: string[]): string[] {
  const given = text ? text.split(',') : known
  const unknown = given.filter((word) => !known.includes(word))
  if (unknown.length) throw new Error(`${name}: no '${unknown.join("', '")}'; choose from ${known.join(',')}`)
  return given
}

/** Server profiles: settings that go together, in infra/profiles. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import Type from 'typebox'

const NAMES = ['single', 'cluster', 'tuned'] as const

export const Profile = Type.Union(
  NAMES.map((name) => Type.Literal(name)),
  { default: 'single', description: 'server profile: single, cluster or tuned; what is set by itself wins' }
)

/** What a profile sets; nothing when there is none of that name. */
export function readProfile(name: string | undefined): Record<string, string | undefined> {
  if (!NAMES.some((known) => known === name)) return {}
  return parseEnv(readFileSync(fileURLToPath(new URL(`../../infra/profiles/${name}.env`, import.meta.url)), 'utf8'))
}

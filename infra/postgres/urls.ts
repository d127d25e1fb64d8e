import { readConfig } from '#schema/config'

type Environment = Record<string, string | undefined>

export interface DatabaseUrls {
  /** In the role that migrates. */
  ownerUrl: string
  /** In the role that serves. */
  appUrl: string
}

/** The database's addresses alone, for commands that need no other setting. @throws Error with a line for each wrong one. */
export function readDatabaseUrls(environment: Environment): DatabaseUrls {
  const names = Object.keys(environment).filter((name) => /^(DATABASE_(OWNER_)?URL|POSTGRESQL_)/.test(name))
  const { DATABASE_URL, DATABASE_OWNER_URL } = readConfig({
    ...Object.fromEntries(names.map((name) => [name, environment[name]])),
    // readConfig checks all settings; these two are not used
    SECRET_KEY: 'not-needed-to-reach-the-database-',
    REDIS_URL: 'redis://not-needed'
  })
  return { ownerUrl: DATABASE_OWNER_URL ?? DATABASE_URL, appUrl: DATABASE_URL }
}

/** Names that other set-ups use for the same settings. They apply only where the canonical name is not set. */
export const ALIASES = {
  ENVIRONMENT: 'NODE_ENV',
  MS_HOST: 'HOST',
  MS_PORT: 'PORT',
  'POSTGRESQL_USER, POSTGRESQL_PASSWORD, POSTGRESQL_HOST, POSTGRESQL_DATABASE': 'DATABASE_URL',
  'REDIS_HOST, REDIS_PORT, REDIS_DB, REDIS_PASSWORD': 'REDIS_URL'
} as const

export type Environment = Record<string, string | undefined>

/** The environment with the canonical names filled in, without empty values. */
export function resolveAliases(environment: Environment): Environment {
  const { ENVIRONMENT, MS_HOST, MS_PORT, POSTGRESQL_HOST, REDIS_HOST } = environment
  return {
    ...(ENVIRONMENT && { NODE_ENV: ENVIRONMENT }),
    ...(MS_HOST && { HOST: MS_HOST }),
    ...(MS_PORT && { PORT: MS_PORT }),
    ...(POSTGRESQL_HOST && { DATABASE_URL: postgresUrl(environment) }),
    ...(REDIS_HOST && { REDIS_URL: redisUrl(environment) }),
    ...Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  }
}

function postgresUrl({
  POSTGRESQL_USER,
  POSTGRESQL_PASSWORD,
  POSTGRESQL_HOST,
  POSTGRESQL_DATABASE
}: Environment): string {
  const login = [POSTGRESQL_USER || 'postgres', POSTGRESQL_PASSWORD || ''].map(encodeURIComponent).join(':')
  return `postgres://${login}@${POSTGRESQL_HOST}/${encodeURIComponent(POSTGRESQL_DATABASE || 'postgres')}`
}

function redisUrl({ REDIS_HOST, REDIS_PORT, REDIS_DB, REDIS_PASSWORD }: Environment): string {
  const login = REDIS_PASSWORD ? `:${encodeURIComponent(REDIS_PASSWORD)}@` : ''
  return `redis://${login}${REDIS_HOST}:${REDIS_PORT || '6379'}/${REDIS_DB || '0'}`
}

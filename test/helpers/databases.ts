/** Databases beside the one that tests share, and single statements in any. */
import pg from 'pg'
import { createDatabase } from '../../infra/postgres/create-database.js'
import type { PostgresService } from './services.js'

type Urls = Pick<PostgresService, 'url' | 'ownerUrl'>

/** Makes empty databases beside the migrated one; each answers the addresses of both roles. */
export const databasesOf =
  (postgres: Urls) =>
  async (name: string): Promise<Urls> => {
    const [url, ownerUrl] = [postgres.url, postgres.ownerUrl].map((address) => {
      const other = new URL(address)
      other.pathname = `/${name}`
      return other.href
    })
    if (!url || !ownerUrl) throw new Error('unreachable')
    await createDatabase(ownerUrl)
    return { url, ownerUrl }
  }

/** One statement on a connection of its own. */
export async function query(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

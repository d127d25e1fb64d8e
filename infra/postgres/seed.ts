/** Adds the sample data that are missing: `node build/infra/postgres/seed.js`. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from './command.js'
import { connect } from './connect.js'
import { readDatabaseUrls } from './urls.js'

const SQL = join(import.meta.dirname, '../../../infra/postgres/seed.sql')

/** Answers how many rows were new. */
export async function seed(url: string): Promise<number> {
  const client = await connect(url)
  try {
    const results = [await client.query(await readFile(SQL, 'utf8'))].flat() // of several statements: a list
    return results.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0)
  } finally {
    await client.end()
  }
}

if (process.argv[1] === import.meta.filename) {
  await command('seed', async (say) => {
    const added = await seed(readDatabaseUrls(process.env).ownerUrl)
    if (!added) return say('nothing to do: the sample data are there')
    say(`sample data: ${added} rows added`)
    const { tellCache } = await import('./tell-cache.js') // who imports this file needs none of it
    if (await tellCache(process.env)) return
    say('Redis cannot be told: for CACHE_TTL_MS at the most, gateways may show the list of tasks without them')
  })
}

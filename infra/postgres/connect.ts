import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const PATIENCE_MS = 30_000
const PAUSE_MS = 500
// The server is away, starting or stopping; anything else (a wrong password, an unknown database) is final.
const PASSING = new Set(['ECONNREFUSED', 'ECONNRESET', 'EAI_AGAIN', '57P03', '57P01'])

/** Connects, waiting for a server that is still starting. */
export async function connect(
  url: string,
  say = (_line: string): void => {},
  patience = PATIENCE_MS
): Promise<pg.Client> {
  const until = Date.now() + patience
  for (let first = true; ; first = false) {
    const client = new pg.Client({ connectionString: url, application_name: 'beeline-command' })
    // a connection that breaks later rejects its query; without a listener it would also end the process
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!PASSING.has(code) || Date.now() > until) throw error
      if (first) say(`waiting for Postgres at ${new URL(url).host}`)
      await sleep(PAUSE_MS)
    }
  }
}

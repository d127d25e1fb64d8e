import type { PoolClient } from 'pg'

/**
 * Commits what handlers had a part in. After a statement that failed Postgres answers a commit with a rollback, and calls that no
 * error: so does who catches the error and goes on. @throws Error when nothing was written
 */
export async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('commit')
  if (command !== 'COMMIT') throw new Error('a statement of `store` failed and was passed over: nothing was written')
}

import { setImmediate } from 'node:timers/promises'
import type { PoolClient, QueryConfig } from 'pg'

/**
 * Sends statements, and the commit without waiting for their answers: after one that fails Postgres answers it with a rollback.
 * @throws what the first of them failed with: nothing was written
 */
export async function commitWith(client: PoolClient, statements: QueryConfig[]): Promise<void> {
  const answers = Promise.all(statements.map(async (statement) => client.query(statement)))
  // what the driver refuses to send never reaches Postgres, which would commit the rest: by now it has said so
  await Promise.race([answers, setImmediate()])
  await Promise.all([answers, client.query('commit')])
}

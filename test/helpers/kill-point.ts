/**
 * Preloaded into a service (`node --import`): kills it with SIGKILL right before or after a statement, once.
 * KILL_POINT is `before:claim_jobs`, `after:commit` …: a prepared statement's name, or its whole text; the file KILL_MARKER
 * is written when it strikes, so that the restarted process lives.
 */
import { existsSync, writeFileSync } from 'node:fs'
import pg from 'pg'

const { KILL_POINT = '', KILL_MARKER = '' } = process.env
const [, when, statement] = /^(before|after):(.+)$/.exec(KILL_POINT) ?? []
if (!statement || !KILL_MARKER)
  throw new Error('KILL_POINT must be before:<statement> or after:<statement>, with KILL_MARKER')

function strike(): never {
  writeFileSync(KILL_MARKER, KILL_POINT)
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}

type Query = (this: pg.Client, ...given: unknown[]) => unknown

if (!existsSync(KILL_MARKER)) {
  const query: Query = pg.Client.prototype.query
  const hooked: Query = function (this: pg.Client, ...given) {
    const [first] = given
    const named = typeof first === 'object' && first !== null && 'name' in first ? first.name : first
    if (named !== statement) return query.apply(this, given)
    if (when === 'before') strike()
    const answer = query.apply(this, given)
    return answer instanceof Promise ? answer.then(strike) : answer
  }
  Object.assign(pg.Client.prototype, { query: hooked })
}

/** What a refusal is held to, whatever was sent. */
import type { Test } from 'tap'
import { Value } from 'typebox/value'
import { Problem } from '#schema/problem'
import { countRows, type Stack } from '../helpers/stack.js'

/** What an answer must never tell: where our code lies, what we asked the database, how we reach it. */
const PRIVATE =
  /node_modules|\bat .+:\d+:\d+|\.[jt]s\b|postgres(ql)?:\/\/|redis:\/\/|\b(insert into|select .+ from|update jobs)\b/i

/** Holds an answer to be a clear problem, and answers it. */
export async function assertProblem(t: Test, answer: Response, status: number, name: string): Promise<Problem> {
  const body = await answer.text()
  t.equal(answer.status, status, `${name} is answered ${status}: ${body.slice(0, 200)}`)
  t.match(answer.headers.get('content-type'), /^application\/problem\+json/, `${name} gets a problem`)
  t.equal(answer.headers.get('x-content-type-options'), 'nosniff', `${name} gets the headers of every answer`)
  t.notMatch(body, PRIVATE, `${name} learns nothing private`)
  const problem: unknown = JSON.parse(body)
  Value.Assert(Problem, problem)
  t.equal(problem.status, status)
  t.match(problem.code, /^[A-Z][A-Z0-9_]+$/)
  return problem
}

/** Holds the database to be as it was, once the work is done. */
export async function storesNothing(t: Test, { sql }: Pick<Stack, 'sql'>, work: () => Promise<void>): Promise<void> {
  const before = await countRows(sql)
  await work()
  t.strictSame(await countRows(sql), before, 'nothing was stored')
}

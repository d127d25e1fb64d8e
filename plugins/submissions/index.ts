/** The table of filled-in forms: written by `/sync/` directly and by the job that takes `/async/` submissions. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { uuidv7 } from 'uuidv7'
import type { Receipt, SubmissionPayload } from '#schema/submission'
import { countFromJobs, findReceipt, insertSubmissions, type Queryable } from './queries.js'

type IdempotencyKey = ReturnType<FastifyInstance['idempotency']['readKey']>

declare module 'fastify' {
  interface FastifyInstance {
    submissions: {
      /** Stores one, sharing its commit; under a key at most once. @throws as `GroupCommit`, and problem 422 for a reused key */
      store: (submission: SubmissionPayload, key: IdempotencyKey) => Promise<{ id: string; replayed: boolean }>
      /** Stores those that came through the queue, inside the transaction that finishes their jobs. */
      storeFromJobs: (tx: Queryable, jobs: { id: string; payload: SubmissionPayload }[]) => Promise<void>
      /** How many came through the queue. */
      countFromJobs: () => Promise<number>
      /** What a receipt tells, if the form has that submission. */
      findReceipt: (form: string, id: string) => Promise<Receipt | undefined>
    }
  }
}

/** A row to insert, turned into JSON once: for its size and for the statement. */
interface Row {
  id: string
  key: IdempotencyKey
  json: string
}

const toRow = ({ form, data }: SubmissionPayload, id: string, key?: IdempotencyKey): Row => ({
  id,
  key,
  json: JSON.stringify({ id, form, data })
})

async function submissions(app: FastifyInstance) {
  const commit = app.groupCommit({
    write: (client, rows: Row[]) =>
      app.idempotency.insertOnce(client, 'submission', rows, (tx, taken) => insertSubmissions(tx, 'sync', taken)),
    sizeOf: ({ json }) => json.length
  })

  app.decorate('submissions', {
    store: async (submission, key) => app.idempotency.settle(await commit(toRow(submission, uuidv7(), key))),
    storeFromJobs: (tx, jobs) =>
      insertSubmissions(
        tx,
        'async',
        jobs.map(({ id, payload }) => toRow(payload, id))
      ),
    countFromJobs: () => countFromJobs(app.pg),
    findReceipt: (form, id) => findReceipt(app.pg, form, id)
  })
}

export default fp(submissions, {
  name: 'submissions',
  fastify: '5.x',
  decorators: { fastify: ['pg', 'groupCommit', 'idempotency'] }
})

/** The table of filled-in forms: written by `/sync/` directly and by the job that takes `/async/` submissions. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { QueryConfig } from 'pg'
import { uuidv7 } from 'uuidv7'
import type { Receipt, SubmissionPayload } from '#schema/submission'
import {
  countFromJobs,
  findReceipt,
  findSubmission,
  insertionOf,
  listSubmissions,
  type Receivable,
  type SubmissionFilter,
  type SubmissionRow
} from './queries.js'

type IdempotencyKey = ReturnType<FastifyInstance['idempotency']['readKey']>

declare module 'fastify' {
  interface FastifyInstance {
    submissions: {
      /** Stores one, sharing its commit; under a key at most once. @throws as `GroupCommit`, and problem 422 for a reused key */
      store: (submission: OwnedSubmission, key: IdempotencyKey) => Promise<{ id: string; replayed: boolean }>
      /** The statement that stores those that came through the queue, each under its job's id. */
      insertionOf: (jobs: SubmissionJob[]) => QueryConfig
      /** How many came through the queue. */
      countFromJobs: () => Promise<number>
      /** What a receipt tells, if the form has that submission; with an owner only if it is theirs or nobody's. */
      findReceipt: (form: string, asked: Receivable) => Promise<Receipt | undefined>
      /** One with all that was typed; with an owner only if it is theirs. */
      find: (id: string, ownerId?: string) => Promise<SubmissionRow | undefined>
      /** A page, newest first. It may be short and yet not the last. */
      list: (filter: SubmissionFilter, limit: number) => Promise<{ rows: SubmissionRow[]; next: string | undefined }>
    }
  }
}

/** With the user who sent it, when that is known. */
type OwnedSubmission = SubmissionPayload & { ownerId?: string | null | undefined }
type SubmissionJob = { id: string; payload: SubmissionPayload; ownerId?: string | null }

/** A row to insert, turned into JSON once: for its size and for the statement. */
interface Row {
  id: string
  key: IdempotencyKey
  json: string
}

const toRow = ({ form, data, ownerId }: OwnedSubmission, id: string, key?: IdempotencyKey): Row => ({
  id,
  key,
  json: JSON.stringify({ id, form, data, owner_id: ownerId ?? undefined })
})

async function submissions(app: FastifyInstance) {
  const commit = app.groupCommit({
    write: (client, rows: Row[]) =>
      app.idempotency.insertOnce(client, 'submission', rows, (tx, taken) => tx.query(insertionOf('sync', taken))),
    sizeOf: ({ json }) => Buffer.byteLength(json)
  })

  app.decorate('submissions', {
    store: async (submission, key) => app.idempotency.settle(await commit(toRow(submission, uuidv7(), key))),
    insertionOf: (jobs) =>
      insertionOf(
        'async',
        jobs.map(({ id, payload: { form, data }, ownerId }) => toRow({ form, data, ownerId }, id))
      ),
    countFromJobs: () => countFromJobs(app.pg),
    findReceipt: (form, asked) => findReceipt(app.pg, form, asked),
    find: (id, ownerId) => findSubmission(app.pg, id, ownerId),
    list: (filter, limit) => listSubmissions(app.pg, filter, limit)
  })
}

export default fp(submissions, {
  name: 'submissions',
  fastify: '5.x',
  decorators: { fastify: ['pg', 'groupCommit', 'idempotency'] }
})

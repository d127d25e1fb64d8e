import Type from 'typebox'
import { defineJob, Uuid } from '../job.js'
import { SubmissionPayload } from '../submission.js'

export default defineJob({
  title: 'Store a submission',
  queue: 'submissions',
  version: 1,
  payload: SubmissionPayload,
  result: Type.Object({ submission_id: Uuid }, { additionalProperties: false }),
  limits: { maxAttempts: 5, timeoutMs: 30_000, batch: 100, concurrency: 32 }
})

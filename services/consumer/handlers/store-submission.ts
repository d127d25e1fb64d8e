import { defineHandler } from '#plugins/worker'
import storeSubmission from '#schema/jobs/store-submission'

/** The submission takes the job's id: one job, at most one row. */
export default defineHandler(storeSubmission, (app) => ({
  answer: ({ id }) => ({ submission_id: id }),
  store: (jobs) => app.submissions.insertionOf(jobs)
}))

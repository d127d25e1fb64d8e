import { isOutsideError } from '#plugins/outside'
import { defineHandler, giveUp, retryIn } from '#plugins/worker'
import parsePage from '#schema/jobs/parse-page'

/** A fault that stays ends the job; one that may pass is tried again when the other side says, or with the usual pauses. */
function judge(error: unknown): unknown {
  if (!isOutsideError(error)) return error
  const { code, message, passing, retryInMs } = error
  if (!passing) return Object.assign(giveUp(message, error), { code })
  return retryInMs === undefined ? error : Object.assign(retryIn(retryInMs, message, error), { code })
}

/** The row takes the job's id: one job, at most one page. */
export default defineHandler(parsePage, (app) => ({
  async run(source, { signal, log }) {
    try {
      const page = await app.parsedPages.parse(source, signal)
      log.info({ status: page.status, counts: page.counts }, 'a page was parsed')
      return page
    } catch (error) {
      throw judge(error)
    }
  },
  store: (jobs, pages) => app.storedPages.insertionOf(jobs, pages)
}))

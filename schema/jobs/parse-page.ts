import { defineJob } from '../job.js'
import { PageSource, ParsedPage } from '../parsed-page.js'

export default defineJob({
  title: 'Parse a page',
  queue: 'parser',
  version: 1,
  payload: PageSource,
  result: ParsedPage,
  limits: { maxAttempts: 5, timeoutMs: 30_000, batch: 1, concurrency: 4 }
})

/** Builds with one rule removed: each must turn a run red, or the run could not see what that rule prevents. */
import type { Replacement } from '../helpers/build-copy.js'

export const MUTANTS: Record<string, Replacement[]> = {
  'no-state-guard': [
    {
      file: 'plugins/ledger/queries.js',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text as it stands in the code
      from: 'jobs.delivery_id = given.delivery_id and ${IS_QUEUED}',
      to: 'jobs.delivery_id = given.delivery_id'
    }
  ],
  'no-relay': [{ file: 'plugins/worker/index.js', from: 'app.ledger.relay.start();', to: '' }],
  'answer-before-commit': [
    {
      file: 'plugins/ledger/accept.js',
      from: 'return app.idempotency.settle(await commit({ id, key, type, json }));',
      to: `commit({ id, key, type, json }).catch(() => {}); return { id, replayed: false };`
    }
  ]
}

/** Builds with one rule removed: each must turn a run red, or the run could not see what that rule prevents. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text as it stands in the code
import type { Replacement } from '../helpers/build-copy.js'

export const MUTANTS: Record<string, Replacement[]> = {
  /** Rule 3: the claim takes whatever its delivery names. */
  'no-state-guard': [
    {
      file: 'plugins/ledger/queries/claim.js',
      from: 'jobs.delivery_id = any($2::uuid[]) and ${IS_QUEUED}',
      to: 'jobs.delivery_id = any($2::uuid[])'
    }
  ],
  /** Rule 7: what Redis has lost stays lost. */
  'no-relay': [{ file: 'plugins/worker/index.js', from: 'app.ledger.relay.start();', to: '' }],
  /** Rule 1: the client is told before Postgres is. */
  'answer-before-commit': [
    {
      file: 'plugins/ledger/accept.js',
      from: 'const outcome = await commit(item)',
      to: 'commit(item).catch(() => {}); return { id: item.id, replayed: false };\nconst outcome = await commit(item)'
    }
  ],
  /** Rule 5: an attempt ends its job whoever runs it by now. */
  'no-lease-token': [
    {
      file: 'plugins/ledger/queries/attempts.js',
      from: 'jobs.id = any($1::uuid[]) and $2::jsonb ? ${ATTEMPT} and ${IS_ACTIVE}',
      to: 'jobs.id = any($1::uuid[])'
    }
  ],
  /** Design §5: a repeated request is a new one. */
  'no-key': [
    {
      file: 'plugins/idempotency/index.js',
      from: 'const keyed = items.filter((item) => item.key);',
      to: 'const keyed = [];'
    }
  ],
  /** Rule 7: a job whose consumer died stays with it. */
  'no-return': [{ file: 'plugins/ledger/relay.js', from: 'await returnLapsed(client)', to: '[]' }],
  /** Rule 7: a delivery that Redis has lost counts as living. */
  'no-living-check': [
    { file: 'plugins/ledger/relay.js', from: 'await eachQueue((queue) => checkDeliveries(client, queue));', to: ';' }
  ],
  /** Rule 4: what comes back from a consumer that was killed while it stored looks new. */
  'no-mark': [{ file: 'plugins/queue/carrier.js', from: 'markStalled(client, `${prefix}:${name}`), ', to: '' }],
  /** Rule 5: the effect is written although the lease was lost. */
  'no-fence': [
    {
      file: 'plugins/ledger/finish.js',
      from: 'done.filter(({ job }) => ours.has(nameOf(job)))',
      to: 'done'
    }
  ]
}

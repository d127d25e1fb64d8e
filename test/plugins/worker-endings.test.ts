import t from 'tap'
import { giveUp, retryIn } from '#plugins/worker'
import { backOff, judgeError, judgePayload } from '../../plugins/worker/endings.js'
import { claimed, registry } from '../helpers/worker-app.js'

t.test('back-off doubles from a second to five minutes, half of it by chance', async (t) => {
  t.strictSame(
    [1, 2, 3, 4, 9, 10, 50].map((attempt) => backOff(attempt, 1)),
    [1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000]
  )
  t.strictSame(
    [1, 2, 10].map((attempt) => backOff(attempt, 0)),
    [500, 1_000, 150_000]
  )
  const pauses = Array.from({ length: 100 }, () => backOff(3))
  t.ok(pauses.every((pause) => pause >= 2_000 && pause <= 4_000))
  t.ok(new Set(pauses).size > 50, 'many that failed together do not come back together')
})

t.test('rule 12: what a consumer does not know it gives back; what does not fit is dead', async (t) => {
  const known = registry.jobs.get('count')
  t.equal(judgePayload(claimed(), known), undefined)
  t.match(judgePayload(claimed(), undefined), { outcome: 'released', delayMs: 30_000 }, 'an unknown type')
  t.match(
    judgePayload(claimed({}, { schemaVersion: 3 }), known),
    { outcome: 'released', delayMs: 30_000 },
    'a newer version'
  )
  t.match(judgePayload(claimed({ n: 'x', y: 1 }), known), {
    outcome: 'schema_mismatch',
    error: { code: 'SCHEMA_MISMATCH', detail: /\/n must be a whole number/ }
  })
  t.match(judgePayload(claimed(null), known), { error: { detail: 'the payload must be an object' } })
  t.match(
    judgePayload(claimed({}, { schemaVersion: 1 }), known),
    { outcome: 'schema_mismatch' },
    'an old version is checked too'
  )
})

t.test(
  'an error is told by its code where it has one of ours, and cut to a paragraph that Postgres can keep',
  async (t) => {
    const endingOf = (thrown: unknown) => judgeError(claimed(), thrown)
    t.match(endingOf(new Error('odd')), {
      outcome: 'failed',
      error: { code: 'HANDLER_FAILED', detail: 'odd' },
      retryInMs: Number
    })
    t.match(endingOf(Object.assign(new Error('odd'), { code: 'PAGE_GONE' })), { error: { code: 'PAGE_GONE' } })
    t.match(endingOf(Object.assign(new Error('odd'), { code: 'lower' })), { error: { code: 'HANDLER_FAILED' } })
    t.match(endingOf('a text'), { error: { code: 'HANDLER_FAILED', detail: 'a text' } })
    t.match(endingOf(undefined), { error: { detail: 'undefined' } })
    const { error } = endingOf(new Error(`a\0${'x'.repeat(5_000)}\ud800`)) as { error: { detail: string } } // outcome is 'failed'
    t.equal(error.detail.length, 2_000)
    t.notMatch(error.detail, '\0')
    t.ok(error.detail.isWellFormed())
  }
)

t.test('a handler says itself whether and when another attempt makes sense', async (t) => {
  t.match(judgeError(claimed(), giveUp('no such page')), { outcome: 'gave_up', error: { detail: 'no such page' } })
  t.notOk('retryInMs' in judgeError(claimed(), giveUp('no')), 'giving up is for good')
  t.match(judgeError(claimed(), retryIn(7_000, 'busy')), { outcome: 'failed', retryInMs: 7_000 })
  const { signal } = Object.assign(new AbortController())
  t.match(judgeError(claimed(), new Error('x'), signal), { outcome: 'failed' })
  t.match(judgeError(claimed(), new Error('x'), AbortSignal.abort('timed_out')), {
    outcome: 'timed_out',
    error: { code: 'TIMED_OUT' }
  })
})

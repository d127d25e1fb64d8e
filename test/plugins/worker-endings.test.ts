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
    t.equal(error.detail.length, 1_999)
    t.notMatch(error.detail, '\0')
    t.ok(error.detail.isWellFormed())
  }
)

t.test('a handler says itself whether and when another attempt makes sense', async (t) => {
  t.match(judgeError(claimed(), giveUp('no such page')), { outcome: 'gave_up', error: { detail: 'no such page' } })
  t.notOk('retryInMs' in judgeError(claimed(), giveUp('no')), 'giving up is for good')
  t.match(judgeError(claimed(), retryIn(7_000, 'busy')), { outcome: 'failed', retryInMs: 7_000 })
  const { signal } = Object.assign(new AbortController())
  t.match(judgeError(claimed(), new Error('x'), { signal }), { outcome: 'failed' })
  t.match(judgeError(claimed(), new Error('x'), { signal: AbortSignal.abort('timed_out') }), {
    outcome: 'timed_out',
    error: { code: 'TIMED_OUT' }
  })
})

t.test('whatever is thrown has an ending that Postgres can keep', async (t) => {
  const unreadable = new Proxy(new Error('x'), {
    get() {
      throw new Error('not even that')
    }
  })
  const odd = [
    Object.create(null),
    Symbol('odd'),
    undefined,
    null,
    0n,
    () => {},
    unreadable,
    Object.assign(new Error('x'), { message: undefined }),
    Object.assign(new Error('x'), { message: { deep: 1 } }),
    Object.assign(new Error('x'), { code: Object.create(null) }),
    Object.assign(new Error('x'), { verdict: 'odd', retryInMs: 'soon' })
  ]
  for (const thrown of odd) {
    const ending = judgeError(claimed(), thrown)
    t.match(ending, { outcome: 'failed', error: { code: 'HANDLER_FAILED', detail: String }, retryInMs: Number })
    t.ok('retryInMs' in ending && Number.isFinite(ending.retryInMs))
  }
  const { error } = judgeError(claimed(), giveUp(`${'x'.repeat(1_999)}😀`)) as { error: { detail: string } }
  t.ok(error.detail.isWellFormed(), 'cut in the middle of a character')
})

t.test('a pause that is none is the usual one, and none is longer than 30 days', async (t) => {
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { retryInMs = 0 } = judgeError(claimed(), retryIn(odd, 'later')) as { retryInMs?: number }
    t.ok(retryInMs > 0 && retryInMs <= 1_000)
  }
  t.match(judgeError(claimed(), retryIn(1e18, 'later')), { retryInMs: 2_592_000_000 })
  t.match(judgeError(claimed(), retryIn(-5, 'at once')), { retryInMs: 0 })
})

t.test('giving up for several jobs at once condemns none of them', async (t) => {
  t.match(judgeError(claimed(), giveUp('one of us'), { shared: true }), { outcome: 'failed', retryInMs: Number })
})

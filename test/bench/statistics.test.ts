import t from 'tap'
import { percentile, spread } from './statistics.js'

t.test('the median of an odd number of values is the middle one', async (t) => {
  t.same(spread([30, 10, 20]), { median: 20, min: 10, max: 30 })
  t.same(spread([7]), { median: 7, min: 7, max: 7 })
})

t.test('the median of an even number of values lies between the two middle ones', async (t) => {
  t.same(spread([4, 1, 3, 10]), { median: 3.5, min: 1, max: 10 })
})

t.test('a percentile is the least value that covers its share', async (t) => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  t.equal(percentile(values, 0.5), 50)
  t.equal(percentile(values, 0.99), 99)
  t.equal(percentile(values, 1), 100)
  t.equal(percentile([5], 0.01), 5)
})

t.test('no values have neither', async (t) => {
  t.throws(() => spread([]), { message: 'no values to take the median of' })
  t.throws(() => percentile([], 0.5), { message: 'no values to take a percentile of' })
})

import t from 'tap'
import { parseStat, sumTree } from './process-stat.js'

const LINE =
  '4711 (postgres: a (b) c) S 4000 4711 4711 0 -1 4194560 5025 12 0 0 120 30 7 3 20 0 1 0 8935 226189312 4390 18446744073709551615'

t.test('a line of /proc/<pid>/stat is read behind a name with spaces and parentheses', async (t) => {
  t.same(parseStat(LINE), { pid: 4711, parent: 4000, ticks: 120 + 30 + 7 + 3 })
})

t.test('something else is refused', async (t) => {
  t.throws(() => parseStat('4711 (node) S'), { message: 'not a line of /proc/<pid>/stat: 4711 (node) S' })
})

t.test('a tree is a process and all below it', async (t) => {
  const stats = [
    { pid: 1, parent: 0, ticks: 1000 },
    { pid: 10, parent: 1, ticks: 5 },
    { pid: 11, parent: 10, ticks: 7 },
    { pid: 12, parent: 11, ticks: 9 },
    { pid: 20, parent: 1, ticks: 100 }
  ]
  t.equal(sumTree(stats, 10), 21)
  t.equal(sumTree(stats, 99), 0, 'one that is not there used nothing')
})

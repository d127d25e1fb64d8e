import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const ROOT = join(import.meta.dirname, '../../..')

const tell = (tap: string) =>
  execFileSync('awk', ['-f', join(ROOT, 'infra/failed-tests.awk')], { input: tap, encoding: 'utf8' })

t.test('what failed is told with its place and its reason', async (t) => {
  const told = tell(`
# Subtest: build/test/a.test.js
    # Subtest: stores a row
        ok 1 - should be equal
        not ok 2 - status (sync)
          ---
          diff: |
            -200
            +500
          ...
        1..2
    not ok 1 - stores a row # time=82.1ms
    # Subtest: reads it
        ok 1 - should be equal
    ok 2 - reads it # time=2ms
not ok 1 - build/test/a.test.js # time=100ms
`)
  t.equal(told, 'failed: build/test/a.test.js > stores a row > status (sync)\n  diff: |\n    -200\n    +500\n')
})

t.test('so is a file that broke off without an assertion, and nothing that is yet to do', async (t) => {
  const told = tell(`
# Subtest: build/test/a.test.js
    not ok 1 - later # TODO
    1..1
not ok 1 - build/test/a.test.js # time=100ms
  ---
  signal: SIGSEGV
  ...
# Subtest: build/test/b.test.js
    ok 1 - fine
ok 2 - build/test/b.test.js # time=100ms
`)
  t.equal(told, 'failed: build/test/a.test.js\n  signal: SIGSEGV\n')
})

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const ROOT = join(import.meta.dirname, '../../..')

const tell = (tap: string) =>
  execFileSync('awk', ['-f', join(ROOT, 'infra/failed-tests.awk')], { input: tap, encoding: 'utf8' })

t.test('what failed is told with its place and its reason, as tap writes them', async (t) => {
  const told = tell(`
# Subtest: build/test/a.test.js
    # Subtest: stores a row
        ok 1 - should be equal
        not ok 2 - status (sync)
          ---
          compare: ===
          at:
            fileName: build/test/a.test.js
            lineNumber: 4
            columnNumber: 5
          stack: |
            Test.<anonymous> (build/test/a.test.js:4:5)
          source: |
            t.equal(500, 200)
          diff: |
            --- expected
            +++ actual
            -200
            +500
          ...
        1..2
    not ok 1 - stores a row # time=82.1ms
      ---
      at:
        lineNumber: 2
      ...
    # Subtest: reads it
        ok 1 - should be equal
    ok 2 - reads it # time=2ms
    not ok 3 - reads it
not ok 1 - build/test/a.test.js # time=100ms
  ---
  exitCode: 1
  ...
`)
  t.equal(
    told,
    `failed: build/test/a.test.js > stores a row > status (sync)
    lineNumber: 4
  diff: |
    --- expected
    +++ actual
    -200
    +500
failed: build/test/a.test.js > reads it
`
  )
})

t.test('so is a file that broke off without an assertion, and nothing that is yet to do', async (t) => {
  const told = tell(`
# Subtest: build/test/a.test.js
    not ok 1 - later # TODO
    1..1
not ok 1 - build/test/a.test.js # time=100ms
  ---
  cwd: /here
  args:
    - build/test/a.test.js
  exitCode: null
  signal: SIGSEGV
  ...
# Subtest: build/test/b.test.js
    ok 1 - fine
ok 2 - build/test/b.test.js # time=100ms
Bail out! no more memory
`)
  t.equal(told, 'failed: build/test/a.test.js\n  exitCode: null\n  signal: SIGSEGV\nBail out! no more memory\n')
})

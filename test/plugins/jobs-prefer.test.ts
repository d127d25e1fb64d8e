/** `Prefer` as RFC 7240 writes it: what is asked there, and what is passed over. */
import t from 'tap'
import { readPreference } from '../../plugins/jobs/prefer.js'

const NOT_ASKED = { waitS: 30, applied: undefined }
const cases: [header: string | string[] | undefined, waitS: number, applied?: string][] = [
  [undefined, 30],
  ['wait=5', 5, 'wait=5'],
  ['Wait = "5"; x=y, wait=9', 5, 'wait=5'],
  [['wait=1', 'wait=2'], 1, 'wait=1'],
  ['respond-async', 0, 'respond-async'],
  ['respond-async, wait=10', 10, 'wait=10'],
  ['wait=100000', 360, 'wait=360'],
  ['foo="a, wait=0, b"', 30],
  ['foo="a\\", wait=0"; bar="wait=1", wait=3', 3, 'wait=3'],
  ['wait', 30],
  ['wait=soon', 30],
  ['wait=-1', 30],
  ['', 30]
]

for (const [header, waitS, applied] of cases) {
  t.test(`D15 Prefer: ${header}`, async (t) => {
    t.strictSame(readPreference(header), applied ? { waitS, applied } : NOT_ASKED)
  })
}

import assert from 'node:assert/strict'
import t from 'tap'
import { createPrune } from '../../plugins/database/prune.js'
import { createApp, createLog } from '../helpers/app.js'
import { eventually } from '../helpers/eventually.js'

/** Rows that are over, deleted as they would be in a table. */
function createTable(rows: number, asked: string[], name: string) {
  return async (most: number) => {
    const deleted = Math.min(rows, most)
    rows -= deleted
    asked.push(`${name} ${deleted}`)
    return deleted
  }
}

t.test('what is over is deleted at the start, few at a time, one table after the other', async (t) => {
  const app = createApp(t)
  const asked: string[] = []
  createPrune(app)('things', [createTable(2_300, asked, 'tokens'), createTable(1, asked, 'sessions')])
  t.strictSame(asked, [], 'nothing before the start')
  await app.ready()
  await eventually(() => assert.equal(asked.length, 4))
  t.strictSame(asked, ['tokens 1000', 'tokens 1000', 'tokens 300', 'sessions 1'])
})

t.test('a failure is told and harms nobody; a stop does not wait for the rest', async (t) => {
  const { lines, logger } = createLog()
  const app = createApp(t, { logger })
  const prune = createPrune(app)
  let asked = 0
  prune('notes', [() => Promise.reject(new Error('away'))])
  prune('endless', [
    async (most) => {
      asked += 1
      await new Promise((resolve) => setTimeout(resolve, 5))
      return most
    }
  ])
  await app.ready()
  await eventually(() => assert.ok(lines.some(({ msg }) => msg === 'old notes were not deleted')))
  await eventually(() => assert.ok(asked > 2))
  await app.close()
  const last = asked
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(asked <= last + 1, 'it goes on no more')
})

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { within } from '#schema/within'

/** Timers that have not ended. */
const countTimers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

t.test('what comes in time is answered, and leaves no timer behind', async (t) => {
  const before = countTimers()
  let late = false
  const answer = within(60_000, Promise.resolve('honey'), () => {
    late = true
  })
  t.equal(countTimers(), before + 1)
  t.equal(await answer, 'honey')
  await t.rejects(within(60_000, Promise.reject(new Error('away'))), { message: 'away' })
  t.equal(countTimers(), before)
  t.equal(late, false)
})

t.test('what takes longer is told so, once, and given up', async (t) => {
  let told = 0
  const answer = within(10, new Promise(() => {}), () => {
    told += 1
  })
  await t.rejects(answer, { message: 'no answer within 10 ms' })
  t.equal(told, 1)
})

t.test('what arrived while this process was busy is in time', async (t) => {
  const answer = within(20, sleep(30, 'honey'))
  const until = Date.now() + 100
  while (Date.now() < until);
  t.equal(await answer, 'honey')
})

import t from 'tap'
import { linkToNext } from '#schema/next-page'

t.test('the next page has the filters of this one, whatever characters they hold', async (t) => {
  t.equal(linkToNext('/api/tasks', '/api/tasks', '7'), '</api/tasks?before=7>; rel="next"')
  const next = /^<(.*)>; rel="next"$/.exec(
    linkToNext('/api/tasks', '/api/tasks?title=why?&is_done=false&before=9', '7')
  )
  t.strictSame(Object.fromEntries(new URL(next?.[1] ?? '', 'http://x').searchParams), {
    title: 'why?',
    is_done: 'false',
    before: '7'
  })
})

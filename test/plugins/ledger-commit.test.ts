/** The commit that is sent behind its statements, with a client that only notes what it is given. */
import type { PoolClient, QueryConfig } from 'pg'
import t from 'tap'
import { commitWith } from '../../plugins/ledger/queries/commit.js'

const statement = (text: string): QueryConfig => ({ name: text, text, values: [] })

/** Answers a query when its text is told, and refuses what it cannot send at once. */
function createClient(refused?: string) {
  const sent: string[] = []
  const answers = new Map<string, () => void>()
  const query = (asked: string | QueryConfig) => {
    const text = typeof asked === 'string' ? asked : asked.text
    if (text === refused) return Promise.reject(new TypeError('no text of that value'))
    sent.push(text)
    return new Promise<void>((resolve) => answers.set(text, resolve))
  }
  return { client: { query } as unknown as PoolClient, sent, answer: (text: string) => answers.get(text)?.() }
}

/** Two turns of the event loop. */
const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

t.test('rule 5: the commit is sent right behind its statements, before any of them is answered', async (t) => {
  const { client, sent, answer } = createClient()
  let done = false
  const committed = commitWith(client, [statement('update'), statement('insert')]).then(() => {
    done = true
  })
  await turn()
  t.strictSame(sent, ['update', 'insert', 'commit'])
  answer('commit')
  await turn()
  t.equal(done, false, 'it is committed when all of it is answered')
  answer('update')
  answer('insert')
  await committed
})

t.test('rule 5: what the driver refuses to send keeps the commit from being sent', async (t) => {
  const { client, sent } = createClient('insert')
  await t.rejects(commitWith(client, [statement('update'), statement('insert')]), /no text of that value/)
  await turn()
  t.strictSame(sent, ['update'])
})

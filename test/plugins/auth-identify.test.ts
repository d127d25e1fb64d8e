/** What is remembered of credentials that were shown. */
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { createIdentify } from '../../plugins/auth/identify.js'
import { RECENT } from '../../plugins/auth/index.js'

const TOKEN = 'a-token'
const session = { kind: 'tokens', userId: 'ada', role: 'user', scopes: ['read'] }

t.test('a token that is shown in ever longer ways is good, and takes no memory', async (t) => {
  let read = 0
  const identify = createIdentify({
    apiKey: undefined,
    accessTokens: {
      read: (token: string) => {
        read += 1
        const claims = { userId: 'ada', sessionId: 's', scopes: ['read'], expiresAt: Date.now() + 1_000 }
        return token === TOKEN ? claims : undefined
      }
    },
    sessions: { find: async () => session, peek: () => session },
    browsers: { read: () => undefined },
    most: 10
  } as unknown as Parameters<typeof createIdentify>[0]) // only what a token needs
  const show = async (spaces: number) =>
    identify({ headers: { authorization: `Bearer${' '.repeat(spaces)}${TOKEN}` } } as FastifyRequest)

  for (let i = 0; i < 3; i++) t.match(await show(1), { userId: 'ada' })
  t.equal(read, 1, 'the usual way is known from the second time on')
  for (let i = 0; i < 3; i++) t.match(await show(8_000), { userId: 'ada' })
  t.equal(read, 4, 'the other is not kept')
})

t.test('what was looked up is used for less than a second: so soon a revoked credential opens nothing', async (t) => {
  t.ok(RECENT.ttlMs < 1_000)
})

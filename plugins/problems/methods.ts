/** Which methods a path has, so that a wrong one is told from a wrong path (RFC 9110 §15.5.6). */
import type { FastifyInstance } from 'fastify'
import createRouter, { type HTTPMethod } from 'find-my-way'

/** Fastify's own router tells nobody what else is at a path: its routes are noted in a second one, as they are added. */
export function noteMethods(app: FastifyInstance): (path: string) => string[] {
  const { ignoreTrailingSlash = false } = app.initialConfig.routerOptions ?? {}
  const router = createRouter({ ignoreTrailingSlash })
  const methods = new Set<HTTPMethod>()

  app.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return // whether anything is there its own route knows
    for (const one of [method].flat() as HTTPMethod[]) {
      methods.add(one)
      router.on(one, url, () => {})
    }
  })
  return (path) => [...methods].filter((method) => router.find(method, path)).sort()
}

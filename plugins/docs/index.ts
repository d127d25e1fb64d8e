/** The API description (OpenAPI 3.1) and the page to try it on, both from the routes' own schemas. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Scope } from '#schema/user'

export interface DocsOptions {
  title: string
  version: string
  description: string
}

/** Everything from here; the page's own scripts and style are files, and it draws its icons as data. */
const CONTENT_POLICY = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'self'"],
  'frame-ancestors': ["'none'"]
}

/** What the private part asks for: one of these (see `guard` of the plugin auth). */
const SECURITY_SCHEMES = {
  oauth2: {
    type: 'oauth2' as const,
    description: 'Name and password; our own clients alone.',
    flows: {
      password: {
        tokenUrl: '/api/oauth/token',
        refreshUrl: '/api/oauth/token',
        scopes: {
          read: 'read what is yours',
          write: 'change what is yours',
          account: 'manage your account',
          operate: 'act as an operator'
        } satisfies Record<Scope, string>
      }
    }
  },
  bearer: { type: 'http' as const, scheme: 'bearer', description: 'An access token, or an API key.' },
  apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'X-API-Key' },
  session: {
    type: 'apiKey' as const,
    in: 'cookie' as const,
    name: '__Host-beeline',
    description: 'The cookie of a browser that is logged in; what changes something needs `X-CSRF-Token` as well.'
  }
}

/** Registered before the routes that it describes. */
async function docs(app: FastifyInstance, { title, version, description }: DocsOptions) {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version, description },
      components: { securitySchemes: SECURITY_SCHEMES }
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`) }
  })
  // its default layout has a bar that asks for another specification and a logo that breaks our content security policy
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_POLICY,
    uiConfig: { layout: 'BaseLayout' },
    theme: { title }
  })
  app.get('/api/doc', { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => reply.shared().send(app.swagger()))
}

export default fp(docs, { name: 'docs', fastify: '5.x', decorators: { reply: ['shared'] } })

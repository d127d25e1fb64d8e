/** The API description (OpenAPI 3.1) and the page to try it on, both from the routes' own schemas. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

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

/** Registered before the routes that it describes. */
async function docs(app: FastifyInstance, { title, version, description }: DocsOptions) {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version, description },
      components: { securitySchemes: { apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' } } }
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

export default fp(docs, { name: 'docs', fastify: '5.x' })

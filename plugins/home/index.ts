/** The home page: what is here. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type from 'typebox'
import { FormName } from '#schema/form'
import type { Registry } from '#schema/registry'

export interface HomeOptions {
  /** Name of this installation and a sentence on it. */
  name: string
  description: string
  registry: Registry
}

const Path = Type.String({ maxLength: 200 })
const Index = Type.Object(
  {
    name: Type.String({ maxLength: 500 }),
    forms: Type.Array(
      Type.Object({
        name: FormName,
        title: Type.String({ maxLength: 200 }),
        description: Type.String({ maxLength: 2_000 }),
        sync: Path,
        async: Path
      }),
      { maxItems: 1_000 }
    ),
    docs: Path,
    openapi: Path,
    health: Path
  },
  { title: 'Index', additionalProperties: false }
)

async function home(app: FastifyInstance, { name, description, registry }: HomeOptions) {
  const forms = [...registry.forms.values()].map(({ name, title, description }) => {
    return { name, title, description, sync: `/sync/${name}`, async: `/async/${name}` }
  })
  const index = { name, forms, docs: '/docs', openapi: '/openapi.json', health: '/api/health' }

  app.get('/', { schema: { summary: 'What is here', tags: ['pages'], response: { 200: Index } } }, (request, reply) => {
    reply.shared().header('vary', 'accept')
    return request.wantsJson() ? reply.send(index) : reply.page('home', { title: 'Forms', description, forms })
  })
}

export default fp(home, {
  name: 'home',
  fastify: '5.x',
  encapsulate: true,
  decorators: { request: ['wantsJson'], reply: ['page', 'shared'] }
})

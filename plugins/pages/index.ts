/** Pages: templates, style and scripts, all from here and none from elsewhere. */
import fastifyStatic from '@fastify/static'
import view from '@fastify/view'
import { Eta } from 'eta'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'

export interface PagesOptions {
  /** Name of this installation, in the pages' titles. */
  name: string
}

declare module 'fastify' {
  interface FastifyReply {
    /** Answers with a page, made from the template of that name. */
    page: (template: string, data: Record<string, unknown>) => FastifyReply
  }
}

const folder = (name: string) => new URL(`../../../plugins/pages/${name}/`, import.meta.url).pathname

async function pages(app: FastifyInstance, { name }: PagesOptions) {
  await app.register(view, {
    engine: { eta: new Eta({ views: folder('views'), cache: true }) },
    templates: folder('views')
  })
  await app.register(fastifyStatic, { root: folder('static'), prefix: '/static/', maxAge: '1h' })
  app.decorateReply('page', function (this: FastifyReply, template: string, data: Record<string, unknown>) {
    return this.header('vary', 'accept').viewAsync(template, { name, ...data }) as unknown as FastifyReply
  })
}

export default fp(pages, { name: 'pages', fastify: '5.x' })

/** The table `pages`: what jobs found in pages of the web. The consumer writes it, the gateway counts it. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { QueryConfig } from 'pg'
import type { ParsedPage } from '#schema/parsed-page'
import { countPages, insertionOf } from './queries.js'

declare module 'fastify' {
  interface FastifyInstance {
    storedPages: {
      /** The statement that stores what jobs found, one row for each job. */
      insertionOf: (jobs: { id: string }[], pages: ParsedPage[]) => QueryConfig
      countFromJobs: () => Promise<number>
    }
  }
}

async function storedPages(app: FastifyInstance) {
  app.decorate('storedPages', {
    insertionOf: (jobs, pages) => insertionOf(pages.map((page, i) => ({ ...page, id: jobs[i]?.id }))),
    countFromJobs: () => countPages(app.pg)
  })
}

export default fp(storedPages, { name: 'stored-pages', fastify: '5.x', decorators: { fastify: ['pg'] } })

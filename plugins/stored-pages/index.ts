/** The table `pages`: what jobs found in pages of the web. The consumer writes it, the gateway counts it. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { ParsedPage } from '#schema/parsed-page'
import { countPages, insertPages, type Queryable } from './queries.js'

declare module 'fastify' {
  interface FastifyInstance {
    storedPages: {
      /** Stores what jobs found, one row for each job, inside the transaction that finishes them. */
      storeFromJobs: (tx: Queryable, jobs: { id: string }[], pages: ParsedPage[]) => Promise<void>
      countFromJobs: () => Promise<number>
    }
  }
}

async function storedPages(app: FastifyInstance) {
  app.decorate('storedPages', {
    storeFromJobs: (tx, jobs, pages) =>
      insertPages(
        tx,
        pages.map((page, i) => ({ ...page, id: jobs[i]?.id }))
      ),
    countFromJobs: () => countPages(app.pg)
  })
}

export default fp(storedPages, { name: 'stored-pages', fastify: '5.x', decorators: { fastify: ['pg'] } })
